import type { NonceTaken } from '@symbolon/contracts';
import { accept, type Decide, nothing } from '@symbolon/kernel';
import type { Nonce } from './nonce.model';

export interface TakeNonce {
  readonly commandId: string;
  readonly scope: readonly string[];
  readonly now: string;
  readonly expiresAt: string;
  /** The request that held the nonce when it was looked at, if a code was issued for it. */
  readonly spentBy: string | null;
}

/** The first request takes the nonce for a day; once a code was issued for it, for good. */
export const takeNonce: Decide<TakeNonce, NonceTaken, Nonce> = ({ commandId, scope, now, expiresAt, spentBy }, held) =>
  held.commandId !== null && (now < held.expiresAt || held.commandId === spentBy)
    ? nothing
    : accept({ type: 'oauth.nonce_taken', version: 1, data: { commandId, scope, expiresAt } });
