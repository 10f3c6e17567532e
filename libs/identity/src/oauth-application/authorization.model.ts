import type { AuthorizationEvent } from '@symbolon/contracts';
import type { Model } from '@symbolon/kernel';

/** One consent, from the request to the end of the last token that descends from it. */
export interface Authorization {
  readonly phase: 'absent' | 'requested' | 'code' | 'granted' | 'revoked';
  readonly applicationId: string;
  readonly profileId: string;
  readonly scope: readonly string[];
  readonly codeExpiresAt: string;
  /** The pair that counts. */
  readonly tokenId: string | null;
  readonly refreshTokenExpiresAt: string;
}

/** What the events of a new pair hold. */
export interface NewPair {
  readonly tokenId: string;
  readonly tokenHash: string;
  readonly refreshTokenHash: string;
  readonly expiresAt: string;
  readonly refreshTokenExpiresAt: string;
}

export interface PairCommand {
  readonly familyId: string;
  readonly now: string;
  readonly pair: NewPair;
}

export const authorization: Model<AuthorizationEvent, Authorization> = {
  category: 'authorization',
  initial: {
    phase: 'absent',
    applicationId: '',
    profileId: '',
    scope: [],
    codeExpiresAt: '',
    tokenId: null,
    refreshTokenExpiresAt: '',
  },
  evolve(state, event) {
    switch (event.type) {
      case 'oauth.authorization_code_requested': {
        const { applicationId, profileId, scope } = event.data;
        return { ...state, phase: 'requested', applicationId, profileId, scope };
      }
      case 'oauth.authorization_code_issued':
        return { ...state, phase: 'code', codeExpiresAt: event.data.expiresAt };
      case 'oauth.access_token_issued':
      case 'oauth.access_token_refreshed': {
        const { tokenId, refreshTokenExpiresAt } = event.data;
        return { ...state, phase: 'granted', tokenId, refreshTokenExpiresAt };
      }
      case 'oauth.token_family_revoked':
      case 'profile.token_revoked':
        return { ...state, phase: 'revoked' };
      default:
        return state;
    }
  },
};
