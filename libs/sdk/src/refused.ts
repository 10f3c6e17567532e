import type { Reason } from '@symbolon/contracts';

/**
 * What kind of refusal a reason key is, for callers that act on it:
 * `invalid` mend the input, `unauthorized` sign in, `forbidden` not for you, `missing` no such thing,
 * `refused` the state does not allow it, `unavailable` try again later, `unexpected` a fault of the server.
 */
export type RefusalKind =
  'invalid' | 'unauthorized' | 'forbidden' | 'missing' | 'refused' | 'unavailable' | 'unexpected';

/** The server said no: by a problem answer (`status` is the HTTP status) or by a rejected command (`status` null). */
export class Refused extends Error {
  override readonly name = 'Refused';
  /** Reason key of the API (contract, section 17); a newer server may send one that this version does not know. */
  readonly key: Reason | (string & {});
  readonly detail: string | null;
  readonly status: number | null;
  /** With `validation_failed`: messages per field, nested fields with dots. */
  readonly errors: Readonly<Record<string, readonly string[]>>;
  readonly commandId: string | null;
  /** Seconds after which the server wants to be asked again. */
  readonly retryAfter: number | null;

  constructor(refusal: {
    key: string;
    detail?: string | null;
    status?: number | null;
    errors?: Readonly<Record<string, readonly string[]>>;
    commandId?: string | null;
    retryAfter?: number | null;
  }) {
    super(refusal.detail ? `${refusal.key}: ${refusal.detail}` : refusal.key);
    this.key = refusal.key;
    this.detail = refusal.detail ?? null;
    this.status = refusal.status ?? null;
    this.errors = refusal.errors ?? {};
    this.commandId = refusal.commandId ?? null;
    this.retryAfter = refusal.retryAfter ?? null;
  }

  get kind(): RefusalKind {
    return kindOf(this.key, this.status);
  }
}

/** The server cannot be reached, or the connection broke before it answered. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable';
}

/** The command was accepted and goes on, but is not final within the time that the caller gave it. */
export class TimedOut extends Error {
  override readonly name = 'TimedOut';

  constructor(readonly commandId: string) {
    super(`command ${commandId} is not final yet`);
  }
}

const TRY_AGAIN: ReadonlySet<string> = new Set<Reason>([
  'dependency_unavailable',
  'rate_limited',
  'profile.login_locked',
  'storage.no_device_answered',
  'storage.device_offline',
]);

/** The kind of a reason key; `status` is the HTTP status it came with, null for a rejected command. */
export function kindOf(key: string, status: number | null): RefusalKind {
  if (TRY_AGAIN.has(key) || status === 429 || status === 503) return 'unavailable';
  if (key === 'internal_error' || (status !== null && status >= 500)) return 'unexpected';
  if (key === 'unauthorized' || status === 401) return 'unauthorized';
  if (status === 403) return 'forbidden';
  if (status === 404 || /(?:^|\.)(?:\w+_)?not_found$/.test(key)) return 'missing';
  if (status !== null && status !== 409) return 'invalid';
  return 'refused';
}
