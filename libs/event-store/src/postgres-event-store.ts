import {
  type Appended,
  type Batch,
  type Draft,
  EventStore,
  type Expected,
  Gathered,
  type Guard,
  type Guarded,
  type Instant,
  instant,
  isOutage,
  type Meta,
  type Recorded,
  Unavailable,
} from '@symbolon/kernel';
import { Pool, type PoolConfig, type QueryConfig, type QueryResultRow } from 'pg';
import { EventStoreSchema1700000100000 } from './event-store.migration';
import { GroupCommit, type Request } from './group-commit';
import { verifyLog } from './log-moved';
import { hasReached, partsOf, type Place } from './place';
import { Feed, type Placed, Tail } from './tail';

export interface PostgresEventStoreOptions {
  /** How often the log is looked at for what other processes append, in milliseconds. */
  readonly pollMillis?: number;
  /** Group commits in flight at once, each on a connection of its own. */
  readonly lanes?: number;
  /** Events per page of `read` and `follow`. */
  readonly pageSize?: number;
  /** Events that wait in memory for one follower before it has to read by itself. */
  readonly feedCapacity?: number;
}

/**
 * The log in schema `es` of a PostgreSQL database. Takes from `pool` where to connect; its own connections, named
 * `symbolon-log`, are opened when needed and closed by `close()`. Cursors are `"<xid>:<position>"`.
 */
export class PostgresEventStore extends EventStore {
  static readonly migrations = [EventStoreSchema1700000100000];

  private readonly writers: Pool;
  private readonly readers: Pool;
  private readonly commits: GroupCommit<Appended | Guarded>;
  private readonly reads = new Gathered(
    (wanted: readonly { stream: string; next: bigint }[]) => this.pagesOf(wanted),
    4,
    32,
  );
  private readonly tailReader: Tail;
  private readonly closing = new AbortController();
  private readonly pageSize: number;
  private readonly feedCapacity: number;

  constructor(
    private readonly pool: Pool,
    { pollMillis = 250, lanes = 2, pageSize = 500, feedCapacity = 4000 }: PostgresEventStoreOptions = {},
  ) {
    super();
    this.pageSize = pageSize;
    this.feedCapacity = feedCapacity;
    // One more than the lanes: the tail is read beside the appends and never waits for them.
    this.writers = connections(pool, lanes + 1);
    this.readers = connections(pool, 8);
    this.commits = new GroupCommit((batch) => this.commit(batch), lanes);
    this.tailReader = new Tail((after) => this.page(this.writers, after, null), pageSize, pollMillis);
  }

  /** A store whose log belongs to this cluster. Throws `LogMoved`, or `Unavailable` without a database. */
  static async open(pool: Pool, options?: PostgresEventStoreOptions): Promise<PostgresEventStore> {
    const store = new PostgresEventStore(pool, options);
    try {
      await store.verify();
      return store;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  /** Throws `LogMoved` where the log was restored or moved from another cluster and followers would miss events. */
  verify(): Promise<void> {
    return available(verifyLog(this.pool));
  }

  /** Ends all followers and closes the store's connections, after the queries that are on their way. */
  async close(): Promise<void> {
    if (this.closing.signal.aborted) return;
    this.closing.abort();
    await Promise.all([this.writers.end(), this.readers.end()]);
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
    if (events.length === 0) throw new RangeError('nothing to append');
    const wanted = expected === 'any' ? -2 : expected === 'none' ? -1 : Number(expected);
    const drafts = events.map(({ id, type, version, data }) => [id, type, version, data]);
    const seen = guard ? [[guard.stream, guard.revision === 'none' ? -1 : Number(guard.revision)]] : [];
    const text = JSON.stringify([stream, wanted, meta, drafts, ...seen]);
    return new Promise((resolve, reject) => this.commits.add({ stream, text, resolve, reject }));
  }

  async *read(stream: string, from = 0n): AsyncIterable<Recorded> {
    for (let next = from; ;) {
      const rows = await this.reads.ask({ stream, next });
      for (const row of rows) yield recorded(row);
      const last = rows.at(-1);
      if (!last || rows.length < this.pageSize) return;
      next = BigInt(last.revision) + 1n;
    }
  }

  async *follow(categories: readonly string[], after: string | null, signal: AbortSignal): AsyncIterable<Batch> {
    const ended = AbortSignal.any([signal, this.closing.signal]);
    const wanted = new Set(categories);
    let cursor: Place = after;
    while (!ended.aborted) {
      const page = await this.patiently(() => this.page(this.readers, cursor, categories), ended);
      const last = page?.at(-1);
      if (page && last) {
        cursor = last.cursor;
        yield { events: page.filter(({ category }) => wanted.has(category)).map(({ event }) => event), cursor };
      }
      const feed = new Feed(wanted, cursor, this.pageSize, this.feedCapacity);
      if (ended.aborted || !this.tailReader.join(feed, cursor, !last)) continue;
      // At once, though the consumer may never come back for another batch.
      const end = () => {
        this.tailReader.leave(feed);
        feed.end();
      };
      ended.addEventListener('abort', end);
      try {
        for (let batch = await feed.next(); batch && !ended.aborted; batch = await feed.next()) {
          cursor = batch.cursor;
          yield batch;
        }
      } finally {
        ended.removeEventListener('abort', end);
        end();
      }
    }
  }

  tail(): Promise<string | null> {
    return this.place({ name: 'tail', text: tailSql });
  }

  since(at: Instant): Promise<string | null> {
    return this.place({ name: 'since', text: sinceSql, values: [at] });
  }

  reached(cursor: string | null, target: string): boolean {
    return hasReached(cursor, target);
  }

  /** Sends one group. An error of one request is its own: what the database refuses is tried again one by one. */
  private async commit(batch: readonly Request<Appended | Guarded>[]): Promise<void> {
    try {
      const requests = `[${batch.map(({ text }) => text).join(',')}]`;
      const { rows } = await this.writers.query<Answer>({ name: 'append', text: appendSql, values: [requests] });
      let newest: Place = null;
      for (const [n, row] of rows.entries()) {
        const answer = appended(row);
        if (answer.status === 'appended') newest = answer.cursor;
        batch[n]?.resolve(answer);
      }
      if (newest !== null) this.tailReader.expect(newest);
    } catch (error) {
      if (isOutage(error)) {
        const unavailable = new Unavailable('event-store', { cause: error });
        for (const request of batch) request.reject(unavailable);
      } else if (batch.length > 1) {
        for (const request of batch) await this.commit([request]);
      } else {
        batch[0]?.reject(error);
      }
    }
  }

  /** What lies behind `after`. With categories, the others' events are left out, but for the last, which moves the cursor. */
  private async page(pool: Pool, after: Place, categories: readonly string[] | null): Promise<Placed[]> {
    const values = [...partsOf(after), this.pageSize, ...(categories ? [categories] : [])];
    const query = categories ? { name: 'page-of', text: pageOfSql, values } : { name: 'page', text: pageSql, values };
    const { rows } = await pool.query<PageRow>(query);
    return rows.map((row) => ({ cursor: `${row.xid}:${row.position}`, category: row.category, event: recorded(row) }));
  }

  /** Repeats a read through outages, 50 ms to 1 s apart. Null once it is no longer wanted. */
  private async patiently<T>(read: () => Promise<T>, ended: AbortSignal): Promise<T | null> {
    for (let millis = 50; !ended.aborted; millis = Math.min(millis * 2, 1000)) {
      try {
        return await read();
      } catch (error) {
        if (!isOutage(error)) throw error;
        await pause(millis, ended);
      }
    }
    return null;
  }

  /** One page of each stream. */
  private async pagesOf(wanted: readonly { stream: string; next: bigint }[]): Promise<Row[][]> {
    const pages: Row[][] = wanted.map(() => []);
    const values = [wanted.map(({ stream }) => stream), wanted.map(({ next }) => next), this.pageSize];
    for (const row of await this.rows<Row & { n: number }>({ name: 'read', text: readSql, values })) {
      pages[row.n - 1]?.push(row);
    }
    return pages;
  }

  private async place(query: QueryConfig): Promise<string | null> {
    const [row] = await this.rows<{ xid: string; position: string }>(query);
    return row ? `${row.xid}:${row.position}` : null;
  }

  private async rows<R extends QueryResultRow>(query: QueryConfig): Promise<R[]> {
    return (await available(this.readers.query<R>(query))).rows;
  }
}

const columns = 'stream, revision, id, type, version, data, meta, recorded_at';
const beyond = `(xid, position) > ($1::xid8, $2::bigint) and xid < pg_snapshot_xmin(pg_current_snapshot())
  order by xid, position limit $3`;
const appendSql = 'select status, revision, xid, position from es.append_many($1)';
const readSql = `select w.n::int, e.* from unnest($1::text[], $2::bigint[]) with ordinality w(stream, next, n)
  cross join lateral (select ${columns} from es.event where stream = w.stream and revision >= w.next order by revision limit $3) e
  order by w.n, e.revision`;
const tailSql = 'select xid, position from es.event order by xid desc, position desc limit 1';
// Backwards from the end. An event may lie behind one that was recorded later, but not by longer than an append takes.
const sinceSql = `select xid, position from es.event where recorded_at <= $1::timestamptz - interval '1 minute'
  order by xid desc, position desc limit 1`;
const pageSql = `select xid, position, category, ${columns} from es.event where ${beyond}`;
const pageOfSql = `with page as materialized (select * from es.event where ${beyond})
  select xid, position, category, ${columns} from page
  where category = any($4) or (xid, position) = (select xid, position from page order by xid desc, position desc limit 1)
  order by xid, position`;

interface Answer {
  status: (Appended | Guarded)['status'];
  revision: string;
  xid: string | null;
  position: string | null;
}

interface Row {
  stream: string;
  revision: string;
  id: string;
  type: string;
  version: number;
  data: unknown;
  meta: Meta;
  recorded_at: Date;
}

interface PageRow extends Row {
  xid: string;
  position: string;
  category: string;
}

function appended({ status, revision, xid, position }: Answer): Appended | Guarded {
  if (status === 'conflict' || status === 'guarded') return { status, revision: BigInt(revision) };
  return { status, revision: BigInt(revision), cursor: `${xid}:${position}` };
}

function recorded({ stream, revision, id, type, version, data, meta, recorded_at }: Row): Recorded {
  return {
    id,
    type,
    version,
    data,
    stream,
    revision: BigInt(revision),
    meta,
    recordedAt: instant(recorded_at.getTime()),
  };
}

/** Own connections to where `pool` leads. */
function connections(pool: Pool, max: number): Pool {
  const given: PoolConfig = pool.options;
  const own = new Pool({
    ...given,
    // Not enumerable, so the spread leaves it out.
    ...(given.password === undefined ? {} : { password: given.password }),
    max,
    min: 0,
    application_name: 'symbolon-log',
    keepAlive: true,
    connectionTimeoutMillis: 5_000,
    query_timeout: 30_000,
    idle_in_transaction_session_timeout: 10_000,
    // Plans are kept per connection and must stay good while the table grows from nothing.
    options: `${given.options ?? ''} -c enable_seqscan=off -c enable_bitmapscan=off`,
  });
  // An idle connection that breaks is replaced with the next query.
  own.on('error', () => undefined);
  return own;
}

async function available<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw isOutage(error) ? new Unavailable('event-store', { cause: error }) : error;
  }
}

function pause(millis: number, ended: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      ended.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, millis);
    ended.addEventListener('abort', done);
  });
}
