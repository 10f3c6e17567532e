import { type Clock, Gathered, type Instant, millisOf } from '@symbolon/kernel';
import type { DataSource } from 'typeorm';
import { describeError, reaching } from './failures';

export interface Deadline {
  /** Derived from what promises something, so that a repeat schedules nothing new. */
  readonly id: string;
  readonly kind: string;
  readonly dueAt: Instant;
  /** JSON, without secrets and personal data. */
  readonly data: object;
}

/** Answers nothing when the deadline is done, or when it is due again. May be called more than once for one deadline. */
export type DeadlineHandler = (data: never, id: string) => Promise<void | { again: Instant }>;

export interface DeadlinesOptions {
  /** A handler threw; the deadline comes again after a while. */
  readonly observer?: (kind: string, id: string, error: string) => void;
  /** For how long a claimed deadline belongs to this process; renewed while its handler runs. */
  readonly leaseMillis?: number;
  /** Handlers that run at a time. */
  readonly concurrency?: number;
}

interface Claimed {
  readonly id: string;
  readonly kind: string;
  readonly data: object;
  readonly due_at: Date;
  readonly claims: string;
  readonly failures: number;
}

/** Milliseconds after which deadlines of other processes are noticed. */
const longestSleep = 1000;

/**
 * Durable deadlines: rows that fall due by the clock and are handled by one process at a time.
 *
 * A due row is claimed with `for update skip locked` and leased, by the time of the database, so that the row of a
 * crashed process comes back. The number of claims fences: who has lost the lease changes nothing any more. A handler that
 * throws is called again after 100 ms, doubling up to five minutes. Deadlines whose kind has no handler here wait.
 */
export class Deadlines {
  private readonly handlers = new Map<string, DeadlineHandler>();
  private readonly inFlight = new Set<Promise<boolean>>();
  private readonly leaseMillis: number;
  private readonly scheduling = {
    'at-once': new Gathered((deadlines: readonly Deadline[]) => this.insert(deadlines, true)),
    'with-next-commit': new Gathered((deadlines: readonly Deadline[]) => this.insert(deadlines, false)),
  } as const;
  private running: Promise<void> | null = null;
  private stopped = false;
  private woken = false;
  private alarm: () => void = () => undefined;

  constructor(
    private readonly dataSource: DataSource,
    private readonly clock: Clock,
    private readonly options: DeadlinesOptions = {},
  ) {
    this.leaseMillis = options.leaseMillis ?? 30_000;
  }

  /**
   * Durable when resolved; throws `Unavailable` in an outage. An id that is scheduled already stays as it is.
   * `with-next-commit`: without a wait for the disk of its own. For a caller whose work counts as done only by a later
   * commit of this database: if that one outlives a crash of PostgreSQL, so does the deadline (its log is in order).
   */
  async schedule(
    { id, kind, dueAt, data }: Deadline,
    durable: 'at-once' | 'with-next-commit' = 'at-once',
  ): Promise<void> {
    await this.scheduling[durable].ask({ id, kind, dueAt, data });
    if (millisOf(dueAt) - this.clock.millis() < longestSleep) this.wake();
  }

  private async insert(deadlines: readonly Deadline[], waiting: boolean): Promise<readonly Deadline[]> {
    await reaching(() =>
      this.dataSource.query(
        `insert into engine.deadline (id, kind, due_at, data)
         select * from unnest($1::text[], $2::text[], $3::timestamptz[], $4::jsonb[])
          where $5::boolean or set_config('synchronous_commit', 'off', true) = 'off'
         on conflict (id) do nothing`,
        [
          deadlines.map(({ id }) => id),
          deadlines.map(({ kind }) => kind),
          deadlines.map(({ dueAt }) => dueAt),
          deadlines.map(({ data }) => JSON.stringify(data)),
          waiting,
        ],
      ),
    );
    return deadlines;
  }

  /** A deadline whose handler is running is not stopped, but does not come again. */
  async cancel(id: string): Promise<void> {
    await reaching(() => this.dataSource.query('delete from engine.deadline where id = $1', [id]));
  }

  handle<D extends object>(kind: string, handler: (data: D, id: string) => Promise<void | { again: Instant }>): void {
    if (this.handlers.has(kind)) throw new Error(`two handlers of deadline ${kind}`);
    this.handlers.set(kind, handler);
    this.wake();
  }

  start(): void {
    this.stopped = false;
    this.running ??= this.tick();
  }

  /** Takes no more and waits for the handlers that are running. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.wake();
    await this.running;
    this.running = null;
    await Promise.all(this.inFlight);
  }

  /** Handles what is due now, until nothing is left; answers how many handlers ended well. For tests and operators. */
  async runDue(): Promise<number> {
    let done = 0;
    for (;;) {
      const claimed = await this.claim(this.options.concurrency ?? 16);
      if (claimed.length === 0) return done;
      const ended = await Promise.all(claimed.map((deadline) => this.run(deadline)));
      done += ended.filter(Boolean).length;
    }
  }

  private async tick(): Promise<void> {
    while (!this.stopped) {
      const room = (this.options.concurrency ?? 16) - this.inFlight.size;
      let wait = longestSleep;
      try {
        const claimed = room > 0 ? await this.claim(room) : [];
        for (const deadline of claimed) {
          const run = this.run(deadline).finally(() => {
            this.inFlight.delete(run);
            // Woken only where it waits for room.
            if (this.inFlight.size === (this.options.concurrency ?? 16) - 1) this.wake();
          });
          this.inFlight.add(run);
        }
        if (claimed.length > 0 && claimed.length === room) wait = 0;
        else if (room > 0) wait = await this.untilNext();
      } catch {
        // The database is away: looked for again in a second.
      }
      if (!this.stopped && wait > 0) await this.sleep(wait);
    }
  }

  private async claim(limit: number): Promise<Claimed[]> {
    const [rows] = await this.dataSource.query<[Claimed[], number]>(
      `update engine.deadline d set claims = claims + 1, leased_until = clock_timestamp() + $3 * interval '1 millisecond'
         from (select id from engine.deadline
                where kind = any($1) and due_at <= $2 and leased_until < clock_timestamp()
                order by due_at limit $4 for update skip locked) due
        where d.id = due.id
       returning d.id, d.kind, d.data, d.due_at, d.claims, d.failures`,
      [[...this.handlers.keys()], this.clock.now(), this.leaseMillis, limit],
    );
    return rows.sort((a, b) => a.due_at.getTime() - b.due_at.getTime());
  }

  /** Milliseconds to sleep: until the next is due, at most a second. */
  private async untilNext(): Promise<number> {
    const [next] = await this.dataSource.query<Array<{ due_at: Date | null }>>(
      'select min(due_at) as due_at from engine.deadline where kind = any($1) and leased_until < clock_timestamp()',
      [[...this.handlers.keys()]],
    );
    const dueAt = next?.due_at?.getTime() ?? Infinity;
    return Math.max(1, Math.min(longestSleep, dueAt - this.clock.millis()));
  }

  private async run({ id, kind, data, claims, failures }: Claimed): Promise<boolean> {
    let renewed: Promise<unknown> = Promise.resolve();
    const renewal = setInterval(() => {
      renewed = this.dataSource
        .query(
          `update engine.deadline set leased_until = clock_timestamp() + $3 * interval '1 millisecond' where id = $1 and claims = $2`,
          [id, claims, this.leaseMillis],
        )
        .catch(() => undefined);
    }, this.leaseMillis / 3);
    const settled = async () => {
      clearInterval(renewal);
      await renewed;
    };
    try {
      const outcome = await (this.handlers.get(kind) as DeadlineHandler)(data as never, id);
      await settled();
      if (outcome) {
        await this.dataSource.query(
          `update engine.deadline set due_at = $3, leased_until = '-infinity', failures = 0, error = null where id = $1 and claims = $2`,
          [id, claims, outcome.again],
        );
      } else {
        await this.dataSource.query('delete from engine.deadline where id = $1 and claims = $2', [id, claims]);
      }
      return true;
    } catch (error) {
      await settled();
      const described = describeError(error);
      this.options.observer?.(kind, id, described);
      const wait = Math.min(100 * 2 ** failures, 300_000);
      await this.dataSource
        .query(
          `update engine.deadline set leased_until = clock_timestamp() + $3 * interval '1 millisecond', failures = failures + 1, error = $4
            where id = $1 and claims = $2`,
          [id, claims, wait, described],
        )
        // Then the lease runs out by itself.
        .catch(() => undefined);
      return false;
    }
  }

  /** Ends the sleep, or the next one if none is under way. */
  private wake(): void {
    this.woken = true;
    this.alarm();
  }

  private async sleep(millis: number): Promise<void> {
    if (!this.woken) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, millis);
        this.alarm = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.woken = false;
  }
}
