import { scenario } from '@symbolon/testing';
import * as sample from '../token/sample-events';
import { token } from '../token/token.model';
import { storeItem } from './store-item.decide';

const { reserved, exchanged, ada, noon, tokenId, parcel } = sample;
const { given } = scenario(token, storeItem);
const item = { tokenId, owner: ada, tokenHash: 'hash', expiresAt: noon, context: 'invoices/2026', parcel };

describe('an item of a batch', () => {
  test('is reserved and exchanged at once', () =>
    given()
      .when(item)
      .then(reserved, { ...exchanged, data: { ...exchanged.data, ofBatch: true } } as typeof exchanged));
  test('is stored once, however often its command runs', () => {
    given(reserved, exchanged).when(item).then();
  });
});
