import { scenario } from '@symbolon/testing';
import * as sample from '../token/sample-events';
import { token } from '../token/token.model';
import { failWrite } from './fail-write.decide';
import { makePermanent } from './make-permanent.decide';

const { reserved, exchanged, madePermanent, writeFailed, deleted, tokenId, deviceIdentifier, parcel } = sample;

describe('an acknowledgement of a write', () => {
  const { given } = scenario(token, makePermanent);
  const acknowledged = { tokenId, version: 1, sha256: parcel.sha256, deviceIdentifier };

  test('makes the token permanent', () => given(reserved, exchanged).when(acknowledged).then(madePermanent));
  test('changes nothing when it is not the first', () =>
    given(reserved, exchanged, madePermanent).when(acknowledged).then());
  test('comes too late once the write has failed', () =>
    given(reserved, exchanged, writeFailed).when(acknowledged).then());
  test('of other bytes does not count for a second attempt', () =>
    given(reserved, exchanged, writeFailed, exchanged)
      .when({ ...acknowledged, sha256: 'bb'.repeat(32) })
      .then());
  test('does not wake a deleted token', () =>
    given(reserved, exchanged, madePermanent, deleted).when(acknowledged).then());
});

describe('a write that nobody acknowledged', () => {
  const { given } = scenario(token, failWrite);
  const late = { tokenId, parcelId: parcel.parcelId, reason: 'storage.no_device_answered' };

  test('fails', () => given(reserved, exchanged).when(late).then(writeFailed));
  test('does not fail once it was acknowledged', () => given(reserved, exchanged, madePermanent).when(late).then());
  test('does not take another write with it', () =>
    given(reserved, exchanged)
      .when({ ...late, parcelId: tokenId })
      .then());
});
