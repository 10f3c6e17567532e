import type { AuthorizationEvent } from '@symbolon/contracts';
import { accept, type Decide, refuse } from '@symbolon/kernel';
import type { Authorization, PairCommand } from '../oauth-application/authorization.model';

/** A code works once. Used again, it was in other hands: then nothing that came from it counts any more. */
export const exchangeCode: Decide<PairCommand, AuthorizationEvent, Authorization> = (
  { familyId, now, pair },
  { phase, applicationId, profileId, scope, codeExpiresAt },
) => {
  if (phase === 'granted') {
    return accept({
      type: 'oauth.token_family_revoked',
      version: 1,
      data: { applicationId, profileId, familyId, cause: 'code_reused' },
    });
  }
  if (phase !== 'code' || now >= codeExpiresAt) return refuse('unauthorized');
  return accept({
    type: 'oauth.access_token_issued',
    version: 1,
    data: { applicationId, profileId, familyId, ...pair, scope },
  });
};
