import { accept, type Decide, type Instant, refuse } from '@symbolon/kernel';
import type { ParcelRef } from '../exchange-data/exchange-data.decide';
import { type FileNow, sectionEvents, staleFile, touchesFile } from '../token/change-sections.decide';
import type { TokenChanges, TokenEvent } from '../token/token.events';
import { isOver, isStrange, type Token } from '../token/token.model';

export interface UpdateDataData {
  readonly tokenId: string;
  readonly owner: string;
  readonly begunAt: Instant;
  /** The new bytes; null leaves the data as it is. */
  readonly parcel: ParcelRef | null;
  readonly changes: TokenChanges;
  /** Whether the profile has a storage device. */
  readonly hasStorage: boolean;
  readonly now: FileNow;
}

/** Without data, sections change at once; with data they wait for its first acknowledgement. */
export const updateData: Decide<UpdateDataData, TokenEvent, Token> = (
  { tokenId, owner, begunAt, parcel, changes, hasStorage, now },
  token,
) => {
  if (isStrange(token, owner) || isOver(token, begunAt)) return refuse('data_token.not_found');
  if (token.phase !== 'permanent') return refuse('data_token.not_permanent');
  if (!parcel) {
    if (touchesFile(changes) && now.fileChanges !== token.fileChanges) return refuse(staleFile);
    const version = token.held?.version ?? token.written;
    return accept<TokenEvent>(...sectionEvents(tokenId, owner, changes, now.file), {
      type: 'data_token.meta_updated',
      version: 1,
      data: { tokenId, profileId: owner, version },
    });
  }
  if (token.pending) return refuse('data_token.busy');
  if (!hasStorage) return refuse('storage.no_devices');

  const { parcelId, size, sealedSize, sha256, header } = parcel;
  return accept<TokenEvent>({
    type: 'data_token.data_replaced',
    version: 1,
    data: {
      tokenId,
      profileId: owner,
      // A number is never used twice: what a device may still be told of a failed write is another version.
      version: token.written + 1,
      size,
      sealedSize,
      sha256,
      dataKey: { keyId: parcelId, header },
    },
    personal: { subject: owner, fields: { changes } },
  });
};
