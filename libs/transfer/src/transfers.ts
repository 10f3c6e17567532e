import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { mintSecret, uuid7 } from '@symbolon/crypto';
import { type Caller, discard, Problem, unauthorized } from '@symbolon/http';
import { type Clock, type Instant, Unavailable } from '@symbolon/kernel';
import type { Logger, Metrics } from '@symbolon/observe';
import type { Settings } from '@symbolon/settings';
import type { DataSource } from 'typeorm';
import { AuthTable, type Claim, type Direction } from './auth-table';
import { Incoming, tooLarge } from './incoming';
import { Lease } from './lease';
import { send } from './outgoing';

export interface TransfersOptions {
  readonly dataSource: DataSource;
  readonly clock: Clock;
  /** Keyed hashes of a secret under every live key, the current one first; auths are stored as nothing else. */
  readonly hashes: (kind: 'stream-auth' | 'download-auth', secret: string) => readonly string[];
  readonly settings: Pick<Settings, 'upstreamUrl' | 'downstreamUrl' | 'uploadMaxBytes'>;
  readonly metrics?: Metrics;
  readonly logger?: Logger;
  /** Milliseconds without a byte after which a transfer counts as broken. */
  readonly idleMillis?: number;
  /** Milliseconds between two signs of life of a transfer; well below the 45 s for which one keeps its auth. */
  readonly renewMillis?: number;
}

export interface AuthRequest {
  readonly direction: Direction;
  /** Names the handler that serves the transfer. */
  readonly purpose: string;
  /** One auth per purpose and id: a new one voids the former, unless a transfer is running on that. */
  readonly id: string;
  /** What the handler needs to know. Stored in the clear: ids, no secrets. */
  readonly ref: object;
  readonly expiresAt: Instant;
}

export interface IssuedAuth {
  readonly auth: string;
  /** The whole one-time URL. */
  readonly url: string;
  readonly authHash: string;
  readonly expiresAt: Instant;
}

export interface UploadContext {
  readonly caller: Caller;
  readonly authHash: string;
}

export interface UploadHandler {
  readonly direction: 'up';
  readonly purpose: string;
  /** The context that serves it. Default: the token vault. */
  readonly service?: string;
  /** Knows how long the body must be; the limit of `SYMBOLON_UPLOAD_MAX_BYTES` is not for it. */
  readonly boundsItself?: boolean;
  /**
   * Takes the body, which has at least one byte, to its end, and answers what the client gets (an `Accepted`), or
   * undefined for 204. The body fails with a `Problem` where the transfer breaks: nothing may be recorded then, and the
   * error is passed on. What it throws leaves the auth usable.
   */
  receive(ref: object, body: Readable, context: UploadContext): Promise<unknown>;
}

export interface DownloadHandler {
  readonly direction: 'down';
  readonly purpose: string;
  readonly service?: string;
  /** Null where there is nothing to give any more. `sent` follows a complete transfer, possibly more than once. */
  open(ref: object): Promise<{ readonly length: number; readonly body: Readable; sent(): Promise<void> } | null>;
}

/** Where transfers belong whose handler says nothing else. */
const vault = 'token-vault';
/** Milliseconds for which it is known when a transfer ended. */
const remembered = 600_000;

/**
 * One-time URLs (contract, sections 9 and 16.5): an auth serves one complete transfer. A broken one leaves it usable;
 * while one transfer uses it, a second is refused like any unknown auth.
 */
export class Transfers {
  private readonly table: AuthTable;
  private readonly handlers = new Map<string, UploadHandler | DownloadHandler>();
  private readonly breakers = new Map<Claim, () => void>();
  /** When transfers ended, the latest last. */
  private readonly ended = new Map<string, number>();
  private readonly underWay = new Set<Promise<unknown>>();
  private readonly idleMillis: number;
  private readonly renewMillis: number;
  private stopped = false;

  constructor(private readonly options: TransfersOptions) {
    this.table = new AuthTable(options.dataSource, options.clock);
    this.idleMillis = options.idleMillis ?? 60_000;
    this.renewMillis = options.renewMillis ?? 15_000;
  }

  register(handler: UploadHandler | DownloadHandler): void {
    const key = handlerKey(handler);
    if (this.handlers.has(key)) throw new Error(`${key} has a handler already`);
    this.handlers.set(key, handler);
  }

  async issue({ direction, purpose, id, ref, expiresAt }: AuthRequest): Promise<IssuedAuth> {
    const { upstreamUrl, downstreamUrl } = this.options.settings;
    const auth = mintSecret();
    const [authHash] = this.hashesOf(direction, auth);
    if (authHash === undefined) throw new Error('there is no key to hash an auth with');
    await this.table.issue({ hash: authHash, direction, purpose, id, ref, expiresAt });
    return { auth, url: `${direction === 'up' ? upstreamUrl : downstreamUrl}?auth=${auth}`, authHash, expiresAt };
  }

  /** The context that serves the transfer of an auth; null for an auth that is malformed or unknown. */
  async serviceOf(direction: Direction, given: unknown): Promise<string | null> {
    const auth = authOf(given);
    const purpose = auth === null ? null : await this.table.purposeOf(this.hashesOf(direction, auth), direction);
    if (purpose === null) return null;
    return this.handlers.get(handlerKey({ direction, purpose }))?.service ?? vault;
  }

  /** Whether a transfer of this purpose and id is under way, in whatever process. */
  running(purpose: string, id: string): Promise<boolean> {
    return this.table.running(purpose, id);
  }

  /**
   * When a transfer of this purpose and id was last under way, in milliseconds since 1970: now, where one is;
   * -Infinity where this process knows of none in the last minutes.
   */
  async lastRunning(purpose: string, id: string): Promise<number> {
    if (await this.running(purpose, id)) return this.options.clock.millis();
    return this.ended.get(endKey({ purpose, id })) ?? -Infinity;
  }

  /** Voids the auths of this purpose and id, and breaks what is running on them: here at once, elsewhere at their next sign of life. */
  async revoke(purpose: string, id: string): Promise<void> {
    await this.table.revoke(purpose, id);
    for (const [claim, stop] of this.breakers) if (claim.purpose === purpose && claim.id === id) stop();
  }

  /** Removes what has expired; a job for now and then. Resolves to the number of auths removed. */
  purge(now: Instant): Promise<number> {
    return this.table.purge(now);
  }

  /** Breaks what is running, leaving its auths usable, and takes no more. */
  async stop(): Promise<void> {
    this.stopped = true;
    for (const stop of this.breakers.values()) stop();
    await Promise.allSettled(this.underWay);
  }

  /**
   * Rows 26 and 16.5. `auth` is the query's value as it came. Answers what the handler answers; throws `Problem`
   * (401 before the body is read, 422 empty, 413 too large, 400 broken off) or what the handler throws.
   */
  async upload(auth: unknown, request: IncomingMessage, caller: Caller): Promise<unknown> {
    try {
      return await this.track(this.receive(auth, request, caller));
    } catch (error) {
      discard(request);
      throw error;
    }
  }

  /**
   * Rows 28 and 16.5. Calls `start` with the length once all that can be refused is refused, and writes the body to
   * the response that it gives. Throws before `start` alone; afterwards a failure ends the connection.
   */
  download(auth: unknown, start: (length: number) => ServerResponse): Promise<void> {
    return this.track(this.give(auth, start));
  }

  private async receive(auth: unknown, request: IncomingMessage, caller: Caller): Promise<unknown> {
    const claim = await this.claim('up', auth);
    const handler = this.handlerOf(claim) as UploadHandler;
    const maxBytes = handler.boundsItself ? 0 : this.options.settings.uploadMaxBytes;
    const lease: Lease = new Lease(this.table, claim, () => incoming.break(), this.renewMillis);
    const incoming = new Incoming(request, {
      maxBytes,
      idleMillis: this.idleMillis,
      confirm: () => lease.confirm(),
    });
    this.breakers.set(claim, () => incoming.break());
    try {
      if (this.stopped) incoming.break();
      if (maxBytes > 0 && Number(request.headers['content-length']) > maxBytes) throw tooLarge();
      await incoming.begun;
      const answer = await handler.receive(claim.ref, incoming, { caller, authHash: claim.hash });
      if (!incoming.readableEnded) throw new Error(`${handlerKey(handler)} answered before the body's end`);
      await lease.spend(async () => undefined);
      this.count(claim, 'complete', incoming.size);
      return answer;
    } catch (thrown) {
      const error: unknown = incoming.fault ?? thrown;
      incoming.destroy();
      await lease.release();
      const broken = error instanceof Problem && error.code === 'request_malformed';
      this.count(claim, broken ? 'broken' : 'refused', incoming.size);
      throw error;
    } finally {
      this.end(claim);
    }
  }

  private async give(auth: unknown, start: (length: number) => ServerResponse): Promise<void> {
    const claim = await this.claim('down', auth);
    const handler = this.handlerOf(claim) as DownloadHandler;
    const breaker = new AbortController();
    const lease = new Lease(this.table, claim, () => breaker.abort(), this.renewMillis);
    this.breakers.set(claim, () => breaker.abort());
    try {
      const parcel = await handler.open(claim.ref);
      if (!parcel) throw unauthorized();
      const { length, body } = parcel;
      const response = start(length);
      if (this.stopped) breaker.abort();
      try {
        await send(response, { length, body, idleMillis: this.idleMillis, signal: breaker.signal });
      } catch (error) {
        await lease.release();
        this.count(claim, 'broken', 0);
        this.options.logger?.info({ purpose: claim.purpose, error }, 'a download ended before its last byte');
        return;
      }
      await lease.spend(() => parcel.sent());
      this.count(claim, 'complete', length);
    } catch (error) {
      await lease.release();
      this.count(claim, 'refused', 0);
      throw error;
    } finally {
      this.end(claim);
    }
  }

  private async claim(direction: Direction, given: unknown): Promise<Claim> {
    if (this.stopped) throw new Unavailable('transfer');
    const auth = authOf(given);
    const claim = auth === null ? null : await this.table.claim(this.hashesOf(direction, auth), direction, uuid7());
    if (!claim) throw unauthorized();
    return claim;
  }

  private end(claim: Claim): void {
    this.breakers.delete(claim);
    const now = this.options.clock.millis();
    this.ended.delete(endKey(claim));
    this.ended.set(endKey(claim), now);
    for (const [key, at] of this.ended) {
      if (at > now - remembered) break;
      this.ended.delete(key);
    }
  }

  private handlerOf(claim: Claim): UploadHandler | DownloadHandler {
    const handler = this.handlers.get(handlerKey(claim));
    if (!handler) throw new Error(`${handlerKey(claim)} has no handler`);
    return handler;
  }

  private hashesOf(direction: Direction, auth: string): readonly string[] {
    return this.options.hashes(direction === 'up' ? 'stream-auth' : 'download-auth', auth);
  }

  private count(claim: Claim, outcome: 'complete' | 'broken' | 'refused', bytes: number): void {
    this.options.metrics?.transfer(claim.direction, claim.purpose, outcome, bytes);
  }

  private async track<T>(work: Promise<T>): Promise<T> {
    this.underWay.add(work);
    try {
      return await work;
    } finally {
      this.underWay.delete(work);
    }
  }
}

/** The auth in a query's value: the value itself, or the `auth` of the one-time URL that it holds. Null: malformed. */
function authOf(given: unknown): string | null {
  const last: unknown = Array.isArray(given) ? given.at(-1) : given;
  if (typeof last !== 'string' || last.length > 4096) return null;
  const auth = URL.canParse(last) ? (new URL(last).searchParams.getAll('auth').at(-1) ?? '') : last;
  return /^[\w-]{43}$/.test(auth) ? auth : null;
}

function endKey({ purpose, id }: { purpose: string; id: string }): string {
  return `${purpose} ${id}`;
}

function handlerKey({ direction, purpose }: { direction: Direction; purpose: string }): string {
  return `${direction} ${purpose}`;
}
