import { scenario } from '@symbolon/testing';
import * as sample from '../token/sample-events';
import { token } from '../token/token.model';
import { deleteData } from './delete-data.decide';

const { reserved, exchanged, madePermanent, writeFailed, expired, deleted, ada, eve, morning, noon, tokenId } = sample;
const { given } = scenario(token, deleteData);
const command = { tokenId, owner: ada, begunAt: morning };

describe('deleting data', () => {
  test('deletes a permanent token', () => given(reserved, exchanged, madePermanent).when(command).then(deleted));
  test('deletes a temporary token', () =>
    given(reserved)
      .when(command)
      .then({ ...deleted, data: { ...deleted.data, upToVersion: 0 } } as typeof deleted));
  test('names what a failed write may have left at devices', () =>
    given(reserved, exchanged, writeFailed).when(command).then(deleted));
  test('is refused while a write is pending', () =>
    given(reserved, exchanged).when(command).refused('data_token.busy'));
  test('is refused for what is not there, or not mine', () => {
    given().when(command).refused('data_token.not_found');
    given(reserved, deleted).when(command).refused('data_token.not_found');
    given(reserved, expired).when(command).refused('data_token.not_found');
    given(reserved)
      .when({ ...command, begunAt: noon })
      .refused('data_token.not_found');
    given(reserved, exchanged, madePermanent)
      .when({ ...command, owner: eve })
      .refused('data_token.not_found');
  });
});
