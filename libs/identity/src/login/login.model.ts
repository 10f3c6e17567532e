import type { LoginEvent } from '@symbolon/contracts';
import { type Model, millisOf } from '@symbolon/kernel';

/** Failures in a row of one username from one address (contract, section 8). */
export interface Login {
  readonly failures: number;
  readonly lastAt: string;
}

export const login: Model<LoginEvent, Login> = {
  category: 'login',
  initial: { failures: 0, lastAt: '' },
  evolve(state, event) {
    switch (event.type) {
      case 'profile.authentication_failed':
        return { failures: event.data.failures, lastAt: event.data.at };
      case 'login.cleared':
        return { failures: 0, lastAt: '' };
      default:
        return state;
    }
  },
};

const hour = 3600_000;
/** The failure in a row from which on the pair is locked. */
export const firstLocking = 5;
const longest = 900;

/** The count that still matters at `now`: an hour without attempts clears it. */
export function failuresAt({ failures, lastAt }: Login, now: string): number {
  return lastAt !== '' && millisOf(now) - millisOf(lastAt) < hour ? failures : 0;
}

/** Seconds for which the n-th failure in a row locks: 0 before the 5th, then 2^(n−5), at most 900. */
export function lockSeconds(failures: number): number {
  return failures < firstLocking ? 0 : Math.min(2 ** Math.min(failures - firstLocking, 10), longest);
}

/** Seconds that the pair is still locked, rounded up; 0 when it is free. */
export function lockedFor(state: Login, now: string): number {
  const failures = failuresAt(state, now);
  const left = millisOf(state.lastAt || now) + lockSeconds(failures) * 1000 - millisOf(now);
  return failures > 0 && left > 0 ? Math.ceil(left / 1000) : 0;
}
