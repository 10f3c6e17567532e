import type { SessionEvent } from '@symbolon/contracts';
import { accept, type Decide, refuse } from '@symbolon/kernel';
import type { SessionState } from '../session/session.model';

export interface ReauthorizeToken {
  readonly tokenId: string;
  readonly expiresAt: string;
}

export const reauthorizeToken: Decide<ReauthorizeToken, SessionEvent, SessionState> = (
  { tokenId, expiresAt },
  state,
) =>
  state.phase === 'live'
    ? accept({
        type: 'profile.token_reauthorized',
        version: 1,
        data: { profileId: state.profileId, tokenId, expiresAt },
      })
    : refuse('unauthorized');
