import { accept, type Decide, type Instant, nothing, refuse } from '@symbolon/kernel';
import type { TokenEvent } from '../token/token.events';
import type { Token } from '../token/token.model';

export interface ExpireReservation {
  readonly tokenId: string;
  readonly now: Instant;
}

/** Refused while it is too early, or while a write is under way. */
export const expireReservation: Decide<ExpireReservation, TokenEvent, Token> = (
  { tokenId, now },
  { phase, pending, expiresAt },
) => {
  if (phase !== 'temporary') return nothing;
  if (pending || now < expiresAt) return refuse('data_token.busy');
  return accept({ type: 'data_token.reservation_expired', version: 1, data: { tokenId } });
};
