import type { AuthorizationEvent } from '@symbolon/contracts';
import { accept, type Decide, refuse } from '@symbolon/kernel';
import type { Authorization } from './authorization.model';

/** The token that counts now; with it goes its refresh token. */
export const revokeFamily: Decide<{ readonly tokenId: string }, AuthorizationEvent, Authorization> = (
  { tokenId },
  { phase, profileId, tokenId: current },
) =>
  phase === 'granted' && tokenId === current
    ? accept({ type: 'profile.token_revoked', version: 1, data: { profileId, tokenId } })
    : refuse('not_found');
