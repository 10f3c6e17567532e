import type { ApplicationEvent } from '@symbolon/contracts';
import { accept, type Decide, nothing } from '@symbolon/kernel';
import type { Application, NewClientSecret } from '../oauth-application/application.model';

export interface RegisterApplication extends NewClientSecret {
  readonly applicationId: string;
  readonly profileId: string;
  readonly clientId: string;
  readonly name: string;
  readonly redirectUri: string;
  readonly scopes: readonly string[];
}

export const registerApplication: Decide<RegisterApplication, ApplicationEvent, Application> = (
  { name, clientSecretOnce, ...data },
  { phase },
) =>
  phase === 'absent'
    ? accept({
        type: 'oauth_application.registered',
        version: 1,
        data,
        personal: { subject: data.profileId, fields: { name, clientSecretOnce } },
      })
    : nothing;
