import type { AuthorizationEvent } from '@symbolon/contracts';
import { accept, type Decide, nothing, refuse } from '@symbolon/kernel';
import type { Authorization } from '../oauth-application/authorization.model';

export interface RequestCode {
  readonly applicationId: string;
  readonly profileId: string;
  readonly nonceHash: string;
  readonly scope: readonly string[];
  /** Another request holds the nonce. */
  readonly nonceReused: boolean;
}

export const requestCode: Decide<RequestCode, AuthorizationEvent, Authorization> = (
  { nonceReused, ...data },
  { phase },
) => {
  if (phase !== 'absent') return nothing;
  if (nonceReused) return refuse('oauth.nonce_reused');
  return accept({ type: 'oauth.authorization_code_requested', version: 1, data });
};
