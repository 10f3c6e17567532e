import { accept, type Decide, nothing } from '@symbolon/kernel';
import type { TokenEvent } from '../token/token.events';
import type { Token } from '../token/token.model';

export interface FailWrite {
  readonly tokenId: string;
  readonly parcelId: string;
  readonly reason: string;
}

export const failWrite: Decide<FailWrite, TokenEvent, Token> = ({ tokenId, parcelId, reason }, { pending }) =>
  pending?.dataKey.keyId === parcelId
    ? accept({ type: 'data_token.write_failed', version: 1, data: { tokenId, version: pending.version, reason } })
    : nothing;
