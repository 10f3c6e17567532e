import { accept, type Decide, type Instant, nothing } from '@symbolon/kernel';
import type { ParcelRef } from '../exchange-data/exchange-data.decide';
import type { TokenEvent } from '../token/token.events';
import type { Token } from '../token/token.model';

export interface StoreItem {
  readonly tokenId: string;
  readonly owner: string;
  readonly tokenHash: string;
  readonly expiresAt: Instant;
  readonly context: string;
  readonly parcel: ParcelRef;
}

/** Reserves and exchanges in one step: the token is never without a write. */
export const storeItem: Decide<StoreItem, TokenEvent, Token> = (
  { tokenId, owner, tokenHash, expiresAt, context, parcel },
  { phase },
) => {
  if (phase !== 'absent') return nothing;
  const { parcelId, size, sealedSize, sha256, header } = parcel;
  return accept<TokenEvent>(
    {
      type: 'data_token.space_reserved',
      version: 1,
      data: { tokenId, profileId: owner, tokenHash, expiresAt },
      personal: { subject: owner, fields: { context, meta: {} } },
    },
    {
      type: 'data_token.data_exchanged',
      version: 1,
      data: {
        tokenId,
        profileId: owner,
        version: 1,
        size,
        sealedSize,
        sha256,
        via: 'inline',
        dataKey: { keyId: parcelId, header },
        ofBatch: true,
      },
    },
  );
};
