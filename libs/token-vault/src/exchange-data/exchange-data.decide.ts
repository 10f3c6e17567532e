import { accept, type Decide, type Instant, refuse } from '@symbolon/kernel';
import type { TokenEvent } from '../token/token.events';
import { isOver, isStrange, type Token } from '../token/token.model';

/** Sealed bytes in the parcel store. `size` counts the bytes handed in, `sealedSize` and `sha256` are of the L2 bytes. */
export interface ParcelRef {
  readonly parcelId: string;
  readonly size: number;
  readonly sealedSize: number;
  readonly sha256: string;
  readonly header: string;
}

export interface ExchangeDataData {
  readonly tokenId: string;
  readonly owner: string;
  /** When the call or the upload began: what began in time is not refused because it took long. */
  readonly begunAt: Instant;
  readonly via: 'inline' | 'stream';
  readonly parcel: ParcelRef;
  /** Whether the profile has a storage device. */
  readonly hasStorage: boolean;
}

export const exchangeData: Decide<ExchangeDataData, TokenEvent, Token> = (
  { tokenId, owner, begunAt, via, parcel, hasStorage },
  token,
) => {
  if (isStrange(token, owner)) return refuse('data_token.not_found');
  if (token.phase === 'permanent') return refuse('data_token.already_exchanged');
  if (token.pending) return refuse('data_token.busy');
  if (isOver(token, begunAt)) return refuse('data_token.expired');
  if (!hasStorage) return refuse('storage.no_devices');

  const { parcelId, size, sealedSize, sha256, header } = parcel;
  const exchanged: TokenEvent = {
    type: 'data_token.data_exchanged',
    version: 1,
    data: {
      tokenId,
      profileId: owner,
      version: 1,
      size,
      sealedSize,
      sha256,
      via,
      dataKey: { keyId: parcelId, header },
    },
  };
  if (via === 'inline') return accept(exchanged);
  return accept<TokenEvent>(
    { type: 'data_token.stream_received', version: 1, data: { tokenId, size, sha256 } },
    exchanged,
  );
};
