import type { Actor } from './actor';
import type { Instant } from './clock';

/** What a writer expects of a stream: anything, that it does not exist, or the revision of its last event (from 0). */
export type Expected = 'any' | 'none' | bigint;

/** An event before it is stored. `id` is a UUID derived from the event's cause, so that a repeat has the same id. */
export interface Draft {
  readonly id: string;
  readonly type: string;
  readonly version: number;
  readonly data: unknown;
}

/** Who caused an event and by which command. Holds no personal data: the client's address lies in the event's box. */
export interface Meta {
  readonly commandId: string | null;
  readonly correlationId: string;
  readonly causationId: string;
  readonly actor: Actor;
}

/** A stored event. `recordedAt` is RFC 3339 with milliseconds and `+00:00`. `cursor` is its place in the log. */
export interface Recorded extends Draft {
  readonly stream: string;
  readonly revision: bigint;
  readonly meta: Meta;
  readonly recordedAt: string;
}

export interface Batch {
  readonly events: readonly Recorded[];
  readonly cursor: string;
}

/** `cursor` is the place of the last event written: a follower whose cursor has reached it has seen them all. */
export type Appended =
  | { readonly status: 'appended' | 'duplicate'; readonly revision: bigint; readonly cursor: string }
  | { readonly status: 'conflict'; readonly revision: bigint };

/** An append that happens only while another stream stands where its writer saw it. */
export interface Guard {
  readonly stream: string;
  /** Revision of that stream's last event, or that it has none. */
  readonly revision: bigint | 'none';
}

/** The guard's stream has moved, nothing was written; `revision` is its true one (-1: no stream). */
export interface Guarded {
  readonly status: 'guarded';
  readonly revision: bigint;
}

/**
 * All that services know of storage. Only the adapter that wrote a cursor can read it.
 * Every method throws `Unavailable` while the store cannot be reached.
 */
export abstract class EventStore {
  /**
   * Appends atomically. A repeat of the same event ids on the same stream answers `duplicate`
   * whatever is expected; any other mismatch answers `conflict` with the true revision (-1: no stream).
   */
  abstract append(stream: string, expected: Expected, events: readonly Draft[], meta: Meta): Promise<Appended>;
  /**
   * The same under a guard: no append to the guard's stream comes between the look at it and this append. A repeat and a
   * conflict are answered as such first. Only where `guards` is true.
   */
  abstract append(
    stream: string,
    expected: Expected,
    events: readonly Draft[],
    meta: Meta,
    guard: Guard | undefined,
  ): Promise<Appended | Guarded>;

  /** Whether this adapter keeps guards. One that cannot must not be asked to. */
  get guards(): boolean {
    return false;
  }

  abstract read(stream: string, from?: bigint): AsyncIterable<Recorded>;
  /** Catches up, then follows. May repeat, never skips; an empty batch still moves the cursor. Ends when `signal` aborts. */
  abstract follow(categories: readonly string[], after: string | null, signal: AbortSignal): AsyncIterable<Batch>;
  /** A place to follow from so that every event recorded after `at` is seen (older ones may be too); null = from the first. */
  abstract since(at: Instant): Promise<string | null>;
  /** The place of the newest event that is stored, or null in an empty log. */
  abstract tail(): Promise<string | null>;
  /** Orders two cursors of this adapter: has `cursor` reached `target`? */
  abstract reached(cursor: string | null, target: string): boolean;
}

/** A needed dependency (store, database, broker, spool) cannot be reached: 503 at the edge, retried behind it. */
export class Unavailable extends Error {
  constructor(
    readonly dependency: string,
    options?: { cause?: unknown },
  ) {
    super(`${dependency} is unavailable`, options);
    this.name = 'Unavailable';
  }
}

/** The category of a stream: the text before its first dash. */
export function categoryOf(stream: string): string {
  const dash = stream.indexOf('-');
  return dash < 0 ? stream : stream.slice(0, dash);
}
