import type { SessionEvent } from '@symbolon/contracts';
import type { Model } from '@symbolon/kernel';

export interface SessionState {
  readonly phase: 'absent' | 'live' | 'revoked';
  readonly profileId: string;
  readonly expiresAt: string;
}

/** One authorization token, from its issue to its end. */
export const session: Model<SessionEvent, SessionState> = {
  category: 'session',
  initial: { phase: 'absent', profileId: '', expiresAt: '' },
  evolve(state, event) {
    switch (event.type) {
      case 'profile.authenticated':
        return { phase: 'live', profileId: event.data.profileId, expiresAt: event.data.expiresAt };
      case 'profile.token_reauthorized':
        return { ...state, expiresAt: event.data.expiresAt };
      case 'profile.token_revoked':
        return { ...state, phase: 'revoked' };
      default:
        return state;
    }
  },
};
