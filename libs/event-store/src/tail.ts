import { type Batch, isOutage, type Recorded } from '@symbolon/kernel';
import { hasReached, type Place } from './place';

/** An event with its place, as a page of the log holds it. */
export interface Placed {
  readonly cursor: string;
  readonly category: string;
  readonly event: Recorded;
}

/** What one follower has yet to take from the tail. Bounded: who falls behind is let go and reads on by itself. */
export class Feed {
  private batches: { events: Recorded[]; cursor: string }[] = [];
  private size = 0;
  private ended = false;
  private error: unknown = null;
  private notify: (() => void) | null = null;

  constructor(
    private readonly categories: ReadonlySet<string>,
    private seen: Place,
    private readonly batchSize: number,
    private readonly capacity: number,
  ) {}

  /** Takes over what concerns the follower. False: it has fallen too far behind and gets no more. */
  offer(page: readonly Placed[], cursor: string): boolean {
    const mine = page.filter(({ category }) => this.categories.has(category));
    const events = this.fresh(mine, cursor).map(({ event }) => event);
    if (this.size + events.length > this.capacity) {
      this.end();
      return false;
    }
    this.size += events.length;
    const last = this.batches.at(-1);
    if (last && last.events.length + events.length <= this.batchSize) {
      last.events.push(...events);
      last.cursor = cursor;
    } else if (this.seen === null) {
      this.batches.push({ events, cursor });
    }
    this.notify?.();
    return true;
  }

  end(error: unknown = null): void {
    this.ended = true;
    this.error = error;
    this.notify?.();
  }

  /** The next batch, as soon as there is one; null once the feed has ended. Throws what `end` was given. */
  async next(): Promise<Batch | null> {
    while (this.batches.length === 0 && !this.ended) {
      await new Promise<void>((resolve) => (this.notify = resolve));
      this.notify = null;
    }
    const batch = this.batches.shift();
    if (batch) this.size -= batch.events.length;
    else if (this.error) throw this.error;
    return batch ?? null;
  }

  /** A follower may join a little ahead of the tail: what it has seen is left out until the tail has passed it. */
  private fresh(page: readonly Placed[], cursor: string): readonly Placed[] {
    if (this.seen === null) return page;
    const fresh = page.filter((placed) => !hasReached(this.seen, placed.cursor));
    if (!hasReached(this.seen, cursor)) this.seen = null;
    return fresh;
  }
}

/**
 * The one reader of the log's end. All followers that have caught up share its reads and are fed in memory. It reads
 * at once when this process has appended, and every `pollMillis` for what others append.
 */
export class Tail {
  private readonly feeds = new Set<Feed>();
  private cursor: Place = null;
  private appended: Place = null;
  private running = false;
  private woken = false;
  private wake: () => void = () => undefined;

  constructor(
    private readonly readPage: (after: Place) => Promise<Placed[]>,
    private readonly pageSize: number,
    private readonly pollMillis: number,
  ) {}

  /** Takes in a follower that stands at `place`. False: the tail has moved on, or the follower is not at the end yet. */
  join(feed: Feed, place: Place, atEnd: boolean): boolean {
    if (this.running ? !hasReached(place, this.cursor) : !atEnd) return false;
    this.feeds.add(feed);
    if (!this.running) {
      this.running = true;
      this.cursor = place;
      void this.run();
    }
    return true;
  }

  leave(feed: Feed): void {
    this.feeds.delete(feed);
    if (this.feeds.size === 0) this.wake();
  }

  /** This process has appended up to `place`: read now, and soon again until it shows. */
  expect(place: string): void {
    if (!hasReached(this.appended, place)) this.appended = place;
    this.woken = true;
    this.wake();
  }

  private async run(): Promise<void> {
    let retry = 50;
    let again = 1;
    while (this.feeds.size > 0) {
      this.woken = false;
      try {
        const page = await this.readPage(this.cursor);
        retry = 50;
        const last = page.at(-1);
        if (last) {
          this.cursor = last.cursor;
          for (const feed of this.feeds) if (!feed.offer(page, last.cursor)) this.feeds.delete(feed);
          again = 1;
        }
        if (page.length === this.pageSize) continue;
      } catch (error) {
        if (!isOutage(error)) {
          for (const feed of this.feeds) feed.end(error);
          this.feeds.clear();
          break;
        }
        await this.pause(retry);
        retry = Math.min(retry * 2, 1000);
        continue;
      }
      if (this.woken || this.feeds.size === 0) continue;
      if (hasReached(this.cursor, this.appended)) {
        await this.pause(this.pollMillis);
      } else {
        // An older transaction is still open somewhere and hides what was appended. It is rarely open for long.
        await this.pause(Math.min(again, this.pollMillis));
        again = Math.min(again * 2, 8);
      }
    }
    this.running = false;
  }

  private pause(millis: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.wake(), millis);
      this.wake = () => {
        clearTimeout(timer);
        this.wake = () => undefined;
        resolve();
      };
    });
  }
}
