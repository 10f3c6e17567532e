import type { LoginEvent } from '@symbolon/contracts';
import { accept, type Decide, nothing } from '@symbolon/kernel';
import { failuresAt, lockedFor, lockSeconds, type Login } from './login.model';

export interface Failure {
  readonly profileId: string | null;
  readonly usernameHash: string;
  readonly ipHash: string;
  readonly ip: string | null;
  readonly userAgent: string | null;
  readonly now: string;
}

/** While the pair is locked no attempt counts. */
export const recordFailure: Decide<Failure, LoginEvent, Login> = ({ now, ip, userAgent, ...who }, state) => {
  if (lockedFor(state, now) > 0) return nothing;
  const failures = failuresAt(state, now) + 1;
  const locked = lockSeconds(failures) > 0;
  const { profileId: subject } = who;
  return accept({
    type: 'profile.authentication_failed',
    version: 1,
    data: { ...who, locked, failures, at: now },
    ...(subject === null ? {} : { personal: { subject, fields: { ip, userAgent } } }),
  });
};

export const clearFailures: Decide<null, LoginEvent, Login> = (_, { failures }) =>
  failures === 0 ? nothing : accept({ type: 'login.cleared', version: 1, data: {} });
