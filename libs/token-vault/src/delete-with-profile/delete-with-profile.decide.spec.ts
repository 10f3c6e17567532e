import { scenario } from '@symbolon/testing';
import * as sample from '../token/sample-events';
import { token } from '../token/token.model';
import { deleteWithProfile } from './delete-with-profile.decide';

const { reserved, exchanged, madePermanent, expired, deleted, ada, eve, tokenId } = sample;
const { given } = scenario(token, deleteWithProfile);
const command = { tokenId, owner: ada };
const unwritten = { ...deleted, data: { ...deleted.data, upToVersion: 0 } } as typeof deleted;

describe('deleting a token with its owner', () => {
  test('deletes a permanent token', () => given(reserved, exchanged, madePermanent).when(command).then(deleted));
  test('deletes a temporary token', () => given(reserved).when(command).then(unwritten));
  test('deletes it also while a write is pending', () => given(reserved, exchanged).when(command).then(deleted));
  test('leaves alone what is over, and what is not the owner’s', () => {
    given().when(command).then();
    given(reserved, deleted).when(command).then();
    given(reserved, expired).when(command).then();
    given(reserved, exchanged, madePermanent)
      .when({ ...command, owner: eve })
      .then();
  });
});
