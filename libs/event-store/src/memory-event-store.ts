import {
  type Appended,
  type Batch,
  categoryOf,
  Clock,
  type Draft,
  EventStore,
  type Expected,
  type Guard,
  type Guarded,
  type Instant,
  type Meta,
  type Recorded,
  SystemClock,
  Unavailable,
} from '@symbolon/kernel';

/**
 * A log in memory for tests. Deterministic: the clock is the caller's, positions count from 1, a batch holds at most
 * `pageSize` events. What is stored has been through JSON, as in a real store.
 */
export class MemoryEventStore extends EventStore {
  /** While false, the store acts like one that cannot be reached. Followers wait until it is true again. */
  get available(): boolean {
    return this.reachable;
  }
  set available(value: boolean) {
    this.reachable = value;
    this.wakeAll();
  }

  private readonly log: Recorded[] = [];
  private readonly streams = new Map<string, Recorded[]>();
  private readonly places = new Map<string, number>();
  private readonly sleepers = new Set<() => void>();
  private readonly forced = new Map<string, number>();
  private reachable = true;

  constructor(
    private readonly clock: Clock = new SystemClock(),
    private readonly pageSize = 500,
  ) {
    super();
  }

  /** The next `times` appends to `stream` that would write answer `conflict` with the true revision instead. */
  conflictNext(stream: string, times = 1): void {
    this.forced.set(stream, times);
  }

  override get guards(): boolean {
    return true;
  }

  append(stream: string, expected: Expected, events: readonly Draft[], meta: Meta): Promise<Appended>;
  append(
    stream: string,
    expected: Expected,
    events: readonly Draft[],
    meta: Meta,
    guard: Guard | undefined,
  ): Promise<Appended | Guarded>;
  async append(
    stream: string,
    expected: Expected,
    events: readonly Draft[],
    meta: Meta,
    guard?: Guard,
  ): Promise<Appended | Guarded> {
    this.reach();
    if (events.length === 0) throw new RangeError('nothing to append');
    const stored = this.streams.get(stream) ?? [];
    const revision = BigInt(stored.length - 1);

    const known = stored.filter((event) => events.some(({ id }) => id === event.id));
    const last = known.at(-1);
    if (last && known.length === events.length) {
      return { status: 'duplicate', revision: last.revision, cursor: String(this.places.get(last.id)) };
    }
    const wanted = expected === 'none' ? -1n : expected;
    if (last || (wanted !== 'any' && wanted !== revision) || this.conflictIsForced(stream)) {
      return { status: 'conflict', revision };
    }
    if (guard) {
      const newest = BigInt((this.streams.get(guard.stream)?.length ?? 0) - 1);
      if (newest !== (guard.revision === 'none' ? -1n : guard.revision)) return { status: 'guarded', revision: newest };
    }
    for (const { id } of events) if (this.places.has(id)) throw new Error(`event ${id} is already in another stream`);

    const recordedAt = this.clock.now();
    for (const { id, type, version, data } of events) {
      const event = {
        id,
        type,
        version,
        data: copy(data),
        stream,
        revision: BigInt(stored.length),
        meta: copy(meta),
        recordedAt,
      };
      stored.push(event);
      this.log.push(event);
      this.places.set(id, this.log.length);
    }
    this.streams.set(stream, stored);
    this.wakeAll();
    return { status: 'appended', revision: BigInt(stored.length - 1), cursor: String(this.log.length) };
  }

  async *read(stream: string, from = 0n): AsyncIterable<Recorded> {
    this.reach();
    yield* (this.streams.get(stream) ?? []).slice(Number(from));
  }

  async *follow(categories: readonly string[], after: string | null, signal: AbortSignal): AsyncIterable<Batch> {
    let place = after === null ? 0 : Number(after);
    while (!signal.aborted) {
      const page = this.reachable ? this.log.slice(place, place + this.pageSize) : [];
      if (page.length === 0) {
        await this.sleep(signal);
        continue;
      }
      place += page.length;
      yield { events: page.filter((event) => categories.includes(categoryOf(event.stream))), cursor: String(place) };
    }
  }

  async since(at: Instant): Promise<string | null> {
    this.reach();
    const place = this.log.findIndex(({ recordedAt }) => recordedAt > at);
    return place < 0 ? this.tail() : place === 0 ? null : String(place);
  }

  async tail(): Promise<string | null> {
    this.reach();
    return this.log.length === 0 ? null : String(this.log.length);
  }

  reached(cursor: string | null, target: string): boolean {
    return Number(cursor ?? 0) >= Number(target);
  }

  private reach(): void {
    if (!this.reachable) throw new Unavailable('event-store');
  }

  private conflictIsForced(stream: string): boolean {
    const times = this.forced.get(stream) ?? 0;
    if (times > 0) this.forced.set(stream, times - 1);
    return times > 0;
  }

  private wakeAll(): void {
    for (const wake of this.sleepers) wake();
  }

  private sleep(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.sleepers.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.sleepers.add(wake);
      signal.addEventListener('abort', wake);
    });
  }
}

function copy<T>(value: T): T {
  return JSON.parse(JSON.stringify(value ?? null)) as T;
}
