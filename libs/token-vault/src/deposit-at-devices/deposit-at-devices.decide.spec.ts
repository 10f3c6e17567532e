import { scenario } from '@symbolon/testing';
import * as sample from '../token/sample-events';
import { token } from '../token/token.model';
import { failWrite } from './fail-write.decide';
import { makePermanent } from './make-permanent.decide';

const { ada, reserved, exchanged, madePermanent, writeFailed, deleted, tokenId, deviceIdentifier, parcel } = sample;
const { newParcel, replaced, confirmed } = sample;
const noFile = { file: null, fileChanges: 0 };

describe('an acknowledgement of a write', () => {
  const { given } = scenario(token, makePermanent);
  const acknowledged = {
    tokenId,
    version: 1,
    sha256: parcel.sha256,
    deviceIdentifier,
    changes: { meta: {} },
    now: noFile,
  };

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

describe('an acknowledgement of a new version', () => {
  const { given } = scenario(token, makePermanent);
  const acknowledged = {
    tokenId,
    version: 2,
    sha256: newParcel.sha256,
    deviceIdentifier,
    changes: { meta: {} },
    now: { file: { fileName: 'a.txt', path: '/a' }, fileChanges: 1 },
  };
  const before = [reserved, exchanged, madePermanent, replaced];

  test('makes it count', () =>
    given(...before)
      .when(acknowledged)
      .then(confirmed));
  test('of the version before changes nothing', () =>
    given(...before)
      .when({ ...acknowledged, version: 1, sha256: parcel.sha256 })
      .then());
  test('comes too late once the write has failed', () =>
    given(...before, { ...writeFailed, data: { ...writeFailed.data, version: 2 } } as typeof writeFailed)
      .when(acknowledged)
      .then());
  test('brings the sections that came with the data, short forms merged', () =>
    given(...before)
      .when({ ...acknowledged, changes: { meta: { data: { type: 'x' } }, fileName: 'b.txt', context: 'b' } })
      .then(
        confirmed,
        {
          type: 'data_token.file_meta_configured',
          version: 1,
          data: { tokenId },
          personal: { subject: ada, fields: { file: { fileName: 'b.txt', path: '/a' }, context: 'b' } },
        },
        {
          type: 'data_token.data_meta_configured',
          version: 1,
          data: { tokenId },
          personal: { subject: ada, fields: { data: { type: 'x' } } },
        },
      ));
  test('is decided again where the file section has moved on meanwhile', () =>
    given(...before)
      .when({ ...acknowledged, changes: { meta: {}, fileName: 'b.txt' }, now: { file: null, fileChanges: 0 } })
      .refused('data_token.file_moved_on'));
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
