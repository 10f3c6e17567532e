import { accept, type Decide, type Instant, nothing } from '@symbolon/kernel';
import type { TokenEvent, TokenMeta } from '../token/token.events';
import type { Token } from '../token/token.model';

export interface ReserveTokenData {
  readonly tokenId: string;
  readonly profileId: string;
  readonly tokenHash: string;
  readonly expiresAt: Instant;
  readonly context: string;
  readonly meta: TokenMeta;
}

export const reserveToken: Decide<ReserveTokenData, TokenEvent, Token> = ({ context, meta, ...data }, { phase }) =>
  phase !== 'absent'
    ? nothing
    : accept({
        type: 'data_token.space_reserved',
        version: 1,
        data,
        personal: { subject: data.profileId, fields: { context, meta } },
      });
