import type { SessionEvent } from '@symbolon/contracts';
import { accept, type Decide, refuse } from '@symbolon/kernel';
import type { SessionState } from '../session/session.model';

export interface RevokeToken {
  readonly tokenId: string;
  readonly profileId: string;
  readonly now: string;
}

/** Only a live token of the same profile: anything else is answered as if there were none. */
export const revokeToken: Decide<RevokeToken, SessionEvent, SessionState> = ({ tokenId, profileId, now }, state) =>
  state.phase === 'live' && state.profileId === profileId && now < state.expiresAt
    ? accept({ type: 'profile.token_revoked', version: 1, data: { profileId, tokenId } })
    : refuse('not_found');
