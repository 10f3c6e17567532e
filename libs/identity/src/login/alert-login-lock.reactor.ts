import type { AlertRaised, AuthenticationFailed } from '@symbolon/contracts';
import { uuid5 } from '@symbolon/crypto';
import { type Recorded, type Streams, system } from '@symbolon/kernel';
import type { Reactor } from '@symbolon/projection';
import { firstLocking } from './login.model';

const name = 'identity.alert-login-lock';

/** When the logins of a profile are locked from an address, then its owner is told: not in the login's own time, which must say nothing. */
export function alertLoginLock(streams: Streams): Reactor {
  return {
    name,
    categories: ['login'],
    on: {
      'profile.authentication_failed': async (event: Recorded) => {
        const { profileId, failures } = event.data as AuthenticationFailed['data'];
        if (profileId === null || failures !== firstLocking) return;
        const alertId = uuid5(`${event.id}/${name}`);
        const data = {
          alertId,
          profileId,
          kind: 'login_locked',
          poolId: null,
          commandId: null,
          deviceIdentifier: null,
        } as const;
        const raised: AlertRaised = { type: 'security.alert_raised', version: 1, data };
        const cause = { commandId: null, correlationId: event.meta.correlationId, causationId: alertId, actor: system };
        await streams.append(`alert-${profileId}`, 'any', [raised], cause);
      },
    },
  };
}
