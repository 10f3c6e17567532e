import { scenario } from '@symbolon/testing';
import * as sample from '../token/sample-events';
import { token } from '../token/token.model';
import { updateData, type UpdateDataData } from './update-data.decide';

const { reserved, exchanged, madePermanent, replaced, confirmed, writeFailed, expired, deleted } = sample;
const { ada, eve, morning, noon, tokenId, newParcel } = sample;
const { given } = scenario(token, updateData);
const permanent = [reserved, exchanged, madePermanent];

function command(changes: Partial<UpdateDataData> = {}): UpdateDataData {
  return {
    tokenId,
    owner: ada,
    begunAt: morning,
    parcel: newParcel,
    changes: { meta: {} },
    hasStorage: true,
    now: { file: null, fileChanges: 1 },
    ...changes,
  };
}
const updated = {
  type: 'data_token.meta_updated' as const,
  version: 1,
  data: { tokenId, profileId: ada, version: 1 },
};
const meta = (changes: UpdateDataData['changes'], more: Partial<UpdateDataData> = {}) =>
  command({ parcel: null, changes, ...more });

describe('updating a data token', () => {
  test('begins a new version', () =>
    given(...permanent)
      .when(command())
      .then(replaced));
  test('never uses the number of a failed version again', () =>
    given(...permanent, replaced, { ...writeFailed, data: { ...writeFailed.data, version: 2 } } as typeof writeFailed)
      .when(command())
      .then({ ...replaced, data: { ...replaced.data, version: 3 } } as typeof replaced));
  test('goes on from the version that counts', () =>
    given(...permanent, replaced, confirmed)
      .when(command())
      .then({ ...replaced, data: { ...replaced.data, version: 3 } } as typeof replaced));
  test('is refused to strangers, and for tokens that are gone', () => {
    given().when(command()).refused('data_token.not_found');
    given(...permanent)
      .when(command({ owner: eve }))
      .refused('data_token.not_found');
    given(...permanent, deleted)
      .when(command())
      .refused('data_token.not_found');
    given(reserved, expired).when(command()).refused('data_token.not_found');
    given(reserved)
      .when(command({ begunAt: noon }))
      .refused('data_token.not_found');
  });
  test('is refused for a token without data', () => {
    given(reserved).when(command()).refused('data_token.not_permanent');
    given(reserved, exchanged)
      .when(meta({ meta: {}, fileName: 'a' }))
      .refused('data_token.not_permanent');
  });
  test('is refused while another write is pending; sections are no write', () => {
    given(...permanent, replaced)
      .when(command())
      .refused('data_token.busy');
    given(...permanent, replaced)
      .when(meta({ meta: { data: { a: 1 } } }))
      .then(
        {
          type: 'data_token.data_meta_configured',
          version: 1,
          data: { tokenId },
          personal: { subject: ada, fields: { data: { a: 1 } } },
        },
        updated,
      );
  });
  test('needs a storage device only for data', () => {
    given(...permanent)
      .when(command({ hasStorage: false }))
      .refused('storage.no_devices');
    const risk = { classification: 'c', label: 'l', handling: 'h' };
    given(...permanent)
      .when(meta({ meta: { information_security_risk: risk } }, { hasStorage: false }))
      .then(
        {
          type: 'data_token.security_meta_configured',
          version: 1,
          data: { tokenId },
          personal: { subject: ada, fields: risk },
        },
        updated,
      );
  });

  const configured = (file: object | null, context: string | null = null) => ({
    type: 'data_token.file_meta_configured' as const,
    version: 1,
    data: { tokenId },
    personal: { subject: ada, fields: { file, context } },
  });
  const now = { file: { fileName: 'old', path: '/p' }, fileChanges: 1 };

  test('short forms keep the other keys of the section', () =>
    given(...permanent)
      .when(meta({ meta: {}, extension: '' }, { now }))
      .then(configured({ fileName: 'old', path: '/p', extension: '' }), updated));
  test('a section given replaces the section, and short forms go into it', () =>
    given(...permanent)
      .when(meta({ meta: { file: { size: 3 } }, fileName: 'new' }, { now }))
      .then(configured({ size: 3, fileName: 'new' }), updated));
  test('the context alone leaves the section as it is', () => {
    given(...permanent)
      .when(meta({ meta: {}, context: 'c' }, { now }))
      .then(configured(now.file, 'c'), updated);
    given(...permanent)
      .when(meta({ meta: {}, context: 'c' }))
      .then(configured(null, 'c'), updated);
  });
  test('is decided again where the section has moved on since it was read', () =>
    given(...permanent)
      .when(meta({ meta: {}, fileName: 'n' }, { now: { file: null, fileChanges: 0 } }))
      .refused('data_token.file_moved_on'));
});
