import { dictionary } from '@zxcvbn-ts/language-common';
import { invalid } from '@symbolon/http';
import { normalisedUsername } from './username';

let common: ReadonlySet<string> | null = null;

/** Throws a 422 that names `field` for a password that is the username or among the 10,000 most common. */
export function requireGoodPassword(field: string, password: string, username: string | null): void {
  common ??= new Set(dictionary.passwords.slice(0, 10_000));
  const lower = password.toLowerCase();
  if (username !== null && normalisedUsername(password) === normalisedUsername(username)) {
    throw invalid({ [field]: ['must not be the username'] });
  }
  if (common.has(lower)) throw invalid({ [field]: ['is one of the most common passwords'] });
}
