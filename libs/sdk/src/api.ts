import { Refused, Unreachable } from './refused';

export type Fields = Readonly<Record<string, unknown>>;

export interface Answer<T> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

export interface CallOptions {
  readonly fields?: Fields | undefined;
  readonly query?: Fields | undefined;
  /** Sent as `Idempotency-Key`: makes a POST safe to repeat. */
  readonly idempotencyKey?: string | undefined;
  /** Seconds for `Prefer: wait`. */
  readonly wait?: number | undefined;
  /** Whether to repeat the call after a broken connection; GETs and calls with a key always are. */
  readonly repeat?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

const ATTEMPTS = 4;
const LONGEST_PAUSE_MS = 10_000;

/** Resolves after `ms`, or rejects as soon as `signal` aborts. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      clearTimeout(timer);
      reject(signal!.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, ms);
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort, { once: true });
  });
}

/** Doubling pauses with a random part, so that clients which lost one server do not come back together. */
export function backoff(attempt: number, first = 200): number {
  return Math.min(first * 2 ** attempt, LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2);
}

/** HTTP to one origin: JSON in and out, problems as `Refused`, broken connections as `Unreachable`. */
export class Api {
  private readonly origin: string;

  constructor(
    url: string,
    private readonly token: string | null,
    private readonly userAgent: string | null = null,
  ) {
    const { protocol, origin } = new URL(url);
    if (protocol !== 'http:' && protocol !== 'https:')
      throw new TypeError('the URL must begin with http:// or https://');
    this.origin = origin;
  }

  withToken(token: string): Api {
    return new Api(this.origin, token, this.userAgent);
  }

  get url(): string {
    return this.origin;
  }

  get<T>(path: string, options: CallOptions = {}): Promise<Answer<T>> {
    return this.call('GET', path, options);
  }

  post<T>(path: string, options: CallOptions = {}): Promise<Answer<T>> {
    return this.call('POST', path, options);
  }

  private async call<T>(method: 'GET' | 'POST', path: string, options: CallOptions): Promise<Answer<T>> {
    const url = new URL(path, this.origin);
    for (const [name, value] of Object.entries(options.query ?? {})) {
      if (value !== undefined && value !== null) url.searchParams.set(name, String(value));
    }
    const headers = new Headers({ accept: 'application/json' });
    if (this.token) headers.set('x-dpt-authorization', this.token);
    if (options.idempotencyKey) headers.set('idempotency-key', options.idempotencyKey);
    if (options.wait) headers.set('prefer', `wait=${options.wait}`);
    if (this.userAgent !== null) headers.set('user-agent', this.userAgent);
    // Nothing redirects in this API: whoever does would get the token.
    const init: RequestInit = { method, headers, redirect: 'error' };
    if (method === 'POST') {
      headers.set('content-type', 'application/json');
      init.body = JSON.stringify(options.fields ?? {});
    }
    if (options.signal) init.signal = options.signal;
    const repeat = options.repeat ?? (method === 'GET' || options.idempotencyKey !== undefined);

    for (let attempt = 0; ; attempt++) {
      try {
        return await answerOf<T>(await send(url, init));
      } catch (error) {
        const pauseMs = repeat && attempt + 1 < ATTEMPTS ? pauseBeforeRepeat(error, attempt) : null;
        if (pauseMs === null) throw error;
        await pause(pauseMs, options.signal);
      }
    }
  }
}

/** Milliseconds to wait before a repeat makes sense; null where it makes none. */
function pauseBeforeRepeat(error: unknown, attempt: number): number | null {
  if (error instanceof Unreachable) return backoff(attempt);
  if (!(error instanceof Refused) || (error.status !== 503 && error.key !== 'rate_limited')) return null;
  const asked = (error.retryAfter ?? 1) * 1000;
  return asked > LONGEST_PAUSE_MS ? null : Math.max(asked, backoff(attempt));
}

/** `fetch`, with broken connections as `Unreachable`. An abort by the caller stays what it is. */
export async function send(url: string | URL, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (cause) {
    if (init.signal?.aborted) throw cause;
    throw new Unreachable(`${new URL(url).origin} cannot be reached (${reasonOf(cause)})`, { cause });
  }
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  const { code, message } = cause as { code?: string; message?: string };
  return code ?? (message || 'connection failed');
}

/** Reads an answer to its end. Throws `Refused` for a problem, `Unreachable` for an answer that was cut off. */
export async function answerOf<T>(response: Response): Promise<Answer<T>> {
  let body: unknown;
  try {
    body = await response.json();
  } catch (cause) {
    if (response.ok && response.status !== 204)
      throw new Unreachable('the answer was cut off or is not JSON', { cause });
  }
  if (!response.ok) throw problem(response, body);
  return { status: response.status, headers: response.headers, body: body as T };
}

function problem(response: Response, body: unknown): Refused {
  const { code, detail, errors } = (body ?? {}) as {
    code?: string;
    detail?: string;
    errors?: Record<string, string[]>;
  };
  const retryAfter = Number(response.headers.get('retry-after'));
  return new Refused({
    key: code ?? (response.status >= 500 ? 'internal_error' : 'request_malformed'),
    detail: detail ?? `the server answered ${response.status}`,
    status: response.status,
    errors: errors ?? {},
    retryAfter: retryAfter > 0 ? retryAfter : null,
  });
}
