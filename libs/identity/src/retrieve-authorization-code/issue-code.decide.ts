import type { AuthorizationEvent } from '@symbolon/contracts';
import { accept, type Decide, refuse } from '@symbolon/kernel';
import type { Authorization } from '../oauth-application/authorization.model';

export interface IssueCode {
  readonly codeId: string;
  readonly codeHash: string;
  readonly expiresAt: string;
}

/** One code for one consent, whoever asks at the same time. */
export const issueCode: Decide<IssueCode, AuthorizationEvent, Authorization> = (
  { codeId, codeHash, expiresAt },
  { phase, applicationId, profileId },
) =>
  phase === 'requested'
    ? accept({
        type: 'oauth.authorization_code_issued',
        version: 1,
        data: { applicationId, profileId, codeHash, expiresAt, codeId },
      })
    : refuse('oauth.already_retrieved');
