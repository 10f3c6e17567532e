import type { AuthorizationEvent } from '@symbolon/contracts';
import { accept, type Decide, refuse } from '@symbolon/kernel';
import type { Authorization, PairCommand } from '../oauth-application/authorization.model';

export interface RefreshPair extends PairCommand {
  /** The pairs of this family that the access token and the refresh token belong to. */
  readonly accessTokenId: string;
  readonly refreshTokenId: string;
}

/** A refresh token works once, beside its own access token. Used again, it was in other hands. */
export const refreshPair: Decide<RefreshPair, AuthorizationEvent, Authorization> = (
  { familyId, now, pair, accessTokenId, refreshTokenId },
  { phase, applicationId, profileId, scope, tokenId, refreshTokenExpiresAt },
) => {
  if (phase !== 'granted' || tokenId === null) return refuse('unauthorized');
  if (refreshTokenId !== tokenId) {
    return accept({
      type: 'oauth.token_family_revoked',
      version: 1,
      data: { applicationId, profileId, familyId, cause: 'refresh_token_reused' },
    });
  }
  if (accessTokenId !== refreshTokenId || now >= refreshTokenExpiresAt) return refuse('unauthorized');
  return accept({
    type: 'oauth.access_token_refreshed',
    version: 1,
    data: { applicationId, profileId, familyId, ...pair, scope, previousTokenId: tokenId },
  });
};
