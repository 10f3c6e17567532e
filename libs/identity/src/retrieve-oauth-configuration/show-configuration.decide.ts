import type { ApplicationEvent } from '@symbolon/contracts';
import { accept, type Decide, refuse } from '@symbolon/kernel';
import type { Application } from '../oauth-application/application.model';

/** Of several calls at once one is the first. */
export const showConfiguration: Decide<{ readonly applicationId: string }, ApplicationEvent, Application> = (
  { applicationId },
  { phase, secretShown },
) =>
  phase === 'absent' || secretShown
    ? refuse('oauth.already_retrieved')
    : accept({ type: 'oauth_application.configuration_retrieved', version: 1, data: { applicationId } });
