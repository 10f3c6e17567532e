import { wholeSeconds } from '@symbolon/kernel';
import type { IssuedToken } from '../session/authorization-tokens';
import type { Held } from './held-logins';

/** The answer of rows 4 and 8. */
export function shown(outcome: Pick<IssuedToken, 'token' | 'expiresAt'> | Held): object {
  if (!('token' in outcome)) return outcome;
  return { authorizationToken: outcome.token, expiresAt: wholeSeconds(outcome.expiresAt) };
}
