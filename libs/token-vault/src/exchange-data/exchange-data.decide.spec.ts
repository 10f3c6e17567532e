import { scenario } from '@symbolon/testing';
import * as sample from '../token/sample-events';
import { token } from '../token/token.model';
import { exchangeData, type ExchangeDataData } from './exchange-data.decide';

const { reserved, exchanged, madePermanent, writeFailed, expired, deleted, ada, eve, morning, noon } = sample;
const { tokenId, parcel } = sample;
const { given } = scenario(token, exchangeData);

function command(changes: Partial<ExchangeDataData> = {}): ExchangeDataData {
  return { tokenId, owner: ada, begunAt: morning, via: 'inline', parcel, hasStorage: true, ...changes };
}

describe('exchanging data for a token', () => {
  test('fills a reserved token', () => given(reserved).when(command()).then(exchanged));
  test('says of an upload that it was received', () =>
    given(reserved)
      .when(command({ via: 'stream' }))
      .then(
        {
          type: 'data_token.stream_received',
          version: 1,
          data: { tokenId, size: parcel.size, sha256: parcel.sha256 },
        },
        { ...exchanged, data: { ...exchanged.data, via: 'stream' } } as typeof exchanged,
      ));
  test('may be tried again after a write has failed', () =>
    given(reserved, exchanged, writeFailed).when(command()).then(exchanged));
  test('is refused where there is no token', () => given().when(command()).refused('data_token.not_found'));
  test('does not reveal to a stranger that the token exists', () =>
    given(reserved, exchanged)
      .when(command({ owner: eve }))
      .refused('data_token.not_found'));
  test('is refused for a deleted token', () =>
    given(reserved, exchanged, madePermanent, deleted).when(command()).refused('data_token.not_found'));
  test('is refused for a token that holds data', () =>
    given(reserved, exchanged, madePermanent).when(command()).refused('data_token.already_exchanged'));
  test('is refused while another write is pending, also after the time', () => {
    given(reserved, exchanged).when(command()).refused('data_token.busy');
    given(reserved, exchanged)
      .when(command({ begunAt: noon }))
      .refused('data_token.busy');
  });
  test('is refused once the reservation has expired', () => {
    given(reserved, expired).when(command()).refused('data_token.expired');
    given(reserved)
      .when(command({ begunAt: noon }))
      .refused('data_token.expired');
  });
  test('is refused without a storage device', () =>
    given(reserved)
      .when(command({ hasStorage: false }))
      .refused('storage.no_devices'));
});
