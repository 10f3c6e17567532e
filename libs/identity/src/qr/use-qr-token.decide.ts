import type { QrEvent } from '@symbolon/contracts';
import { accept, type Decide, type Instant, refuse } from '@symbolon/kernel';
import type { QrToken } from './qr.model';

export interface UseQrToken {
  /** The login that waits for a vote; null where none is asked for. */
  readonly commandId: string | null;
  readonly now: Instant;
}

/** Once, and in time. */
export const useQrToken: Decide<UseQrToken, QrEvent, QrToken> = (
  { commandId, now },
  { phase, profileId, expiresAt },
) =>
  phase === 'live' && now < expiresAt
    ? accept({ type: 'profile.qr_token_used', version: 1, data: { profileId, commandId } })
    : refuse('unauthorized');
