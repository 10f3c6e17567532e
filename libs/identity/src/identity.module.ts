import { Global, Module, type OnModuleInit } from '@nestjs/common';
import type { AlertRaised } from '@symbolon/contracts';
import { ClientApplications, controllersOf, providersOf, Sessions } from '@symbolon/http';
import { Streams } from '@symbolon/kernel';
import { Registry } from '@symbolon/platform';
import { alertLoginLock } from './login/alert-login-lock.reactor';
import { LoginGuard } from './login/login-guard';
import { Applications } from './oauth-application/applications.query';
import { ClientSecrets } from './oauth-application/client-secrets';
import { EverySession } from './oauth-application/every-session';
import { oauthList } from './oauth-application/oauth-list.projection';
import { TokenFamilies } from './oauth-application/token-families';
import { FirstKeys } from './profile/first-keys';
import { deviceOwners, profileList, sessionList } from './profile/profile-list.projection';
import { KeyClaims } from './profile/key-claims';
import { Profiles } from './profile/profiles.query';
import { AuthorizationTokens } from './session/authorization-tokens';
import { KnownSessions } from './session/known-sessions';
import * as slices from './slices';

@Global()
@Module({
  controllers: controllersOf(slices),
  providers: [
    ...providersOf(slices),
    Applications,
    AuthorizationTokens,
    ClientSecrets,
    FirstKeys,
    KeyClaims,
    LoginGuard,
    Profiles,
    KnownSessions,
    TokenFamilies,
    { provide: ClientApplications, useExisting: Applications },
    { provide: Sessions, useClass: EverySession },
  ],
  exports: [ClientApplications, Sessions],
})
export class IdentityModule implements OnModuleInit {
  constructor(
    private readonly registry: Registry,
    private readonly streams: Streams,
  ) {}

  onModuleInit(): void {
    this.registry.projections(profileList, sessionList, deviceOwners, oauthList);
    this.registry.reactors(alertLoginLock(this.streams));
    this.registry.message('security.alert_raised', 'alert', async ({ data }) => {
      const { alertId, profileId, kind, poolId, commandId } = data as AlertRaised['data'];
      const message = { data: { type: 'SECURITY-ALERT', id: alertId, body: { kind, poolId, commandId } } };
      return { profileId, commandId: null, messages: [message] };
    });
  }
}
