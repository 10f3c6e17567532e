import type { Recorded } from '@symbolon/kernel';
import type { FreshDatabase } from '@symbolon/testing';
import { Pool } from 'pg';
import { draft, meta } from './event-store.contract';
import { freshLog } from './fresh-log.contract';
import { PostgresEventStore } from './postgres-event-store';

const streams = 60;
const writers = 24;
const appendsPerWriter = 150;
const rivals = 8;
const transactionsPerRival = 60;

/**
 * Writers of several processes append to the same streams, others hold their appends open for random times or roll
 * them back, while followers of every kind read along. A follower that trusts positions, or transaction ids
 * without waiting for older ones, loses hundreds of events here.
 */
describe('the Postgres log under writers, delays and rollbacks', () => {
  let database: FreshDatabase;
  const pools: Pool[] = [];
  const stores: PostgresEventStore[] = [];

  beforeAll(async () => {
    database = await freshLog();
    for (let process = 0; process < 3; process++) {
      const pool = new Pool({ connectionString: database.url });
      pools.push(pool);
      stores.push(await PostgresEventStore.open(pool, { pageSize: 50, feedCapacity: 200, pollMillis: 20 }));
    }
  });
  afterAll(async () => {
    await Promise.all(stores.map((store) => store.close()));
    await Promise.all(pools.map((pool) => pool.end()));
    await database.drop();
  });

  test('no follower skips, reorders or doubles', async () => {
    const stop = new AbortController();
    const finished: { cursor: string | null } = { cursor: null };
    const followers = stores.flatMap((store) => [
      follow(store, ['even', 'odd'], () => Promise.resolve()),
      follow(store, ['even'], () => Promise.resolve()),
      follow(store, ['odd'], () => nextTurns(20)),
      restarting(store, ['even', 'odd']),
    ]);

    const acknowledged = (await Promise.all([...appending(), ...holding()])).flat();
    finished.cursor = await stores[0]!.tail();
    const { rows } = await database.pool.query<{ id: string; stream: string; revision: string; category: string }>(
      'select id, stream, revision, category from es.event order by stream, revision',
    );
    // Moves also those cursors that stand at the end already.
    await stores[0]!.append('end', 'none', [draft()], meta);

    // What was acknowledged is stored, what was rolled back is not, and every stream counts from 0 without a gap.
    expect(rows.map(({ id }) => id).sort()).toEqual(acknowledged.sort());
    let last = { stream: '', revision: -1 };
    for (const { stream, revision } of rows) {
      expect([stream, Number(revision)]).toEqual([stream, stream === last.stream ? last.revision + 1 : 0]);
      last = { stream, revision: Number(revision) };
    }

    for (const { categories, seen } of await Promise.all(followers)) {
      const expected = rows.filter(({ category }) => categories.includes(category));
      expect(seen).toHaveLength(expected.length);
      const revisions = new Map<string, bigint>();
      for (const { stream, revision } of seen) {
        expect([stream, revision]).toEqual([stream, (revisions.get(stream) ?? -1n) + 1n]);
        revisions.set(stream, revision);
      }
      expect(new Set(seen.map(({ id }) => id))).toEqual(new Set(expected.map(({ id }) => id)));
    }
    stop.abort();

    /** Follows until the log's end, once that is known; `pace` is what it does with each batch. */
    async function follow(store: PostgresEventStore, categories: string[], pace: () => Promise<void>) {
      const seen: Recorded[] = [];
      for await (const batch of store.follow(categories, null, stop.signal)) {
        seen.push(...batch.events);
        await pace();
        if (finished.cursor !== null && store.reached(batch.cursor, finished.cursor)) break;
      }
      return { categories, seen };
    }

    /** Stops at random places and goes on from the cursor of the last batch, as a projection that crashes. */
    async function restarting(store: PostgresEventStore, categories: string[]) {
      const seen: Recorded[] = [];
      let cursor: string | null = null;
      while (finished.cursor === null || !store.reached(cursor, finished.cursor)) {
        for await (const batch of store.follow(categories, cursor, stop.signal)) {
          seen.push(...batch.events);
          cursor = batch.cursor;
          if (Math.random() < 0.2 || (finished.cursor !== null && store.reached(cursor, finished.cursor))) break;
        }
      }
      return { categories, seen };
    }
  });

  /** Appends through the stores, at revisions that are often stale and again where they were. Answers the ids written. */
  function appending(): Promise<string[]>[] {
    return Array.from({ length: writers }, async (_, writer) => {
      const store = stores[writer % stores.length]!;
      const written: string[] = [];
      for (let n = 0; n < appendsPerWriter; n++) {
        const stream = randomStream();
        const events = Array.from({ length: 1 + (n % 3) }, () => draft());
        let answer = await store.append(stream, BigInt(Math.floor(Math.random() * 40)), events, meta);
        while (answer.status === 'conflict') {
          answer = await store.append(stream, answer.revision < 0n ? 'none' : answer.revision, events, meta);
        }
        if (Math.random() < 0.1) {
          expect(await store.append(stream, 'any', events, meta)).toEqual({ ...answer, status: 'duplicate' });
        }
        written.push(...events.map(({ id }) => id));
      }
      return written;
    });
  }

  /** Appends in transactions that stay open a while and that half of the time are rolled back. */
  function holding(): Promise<string[]>[] {
    return Array.from({ length: rivals }, async () => {
      const client = await database.pool.connect();
      const written: string[] = [];
      for (let n = 0; n < transactionsPerRival; n++) {
        const { id } = draft();
        const drafts = JSON.stringify([[id, 'held', 1, {}]]);
        await client.query('begin');
        await client.query(`select es.append($1, -2, '{}', $2)`, [randomStream(), drafts]);
        await client.query('select pg_sleep($1)', [Math.random() * 0.02]);
        const kept = Math.random() < 0.5;
        await client.query(kept ? 'commit' : 'rollback');
        if (kept) written.push(id);
      }
      client.release();
      return written;
    });
  }

  function randomStream(): string {
    const n = Math.floor(Math.random() * streams);
    return `${n % 2 === 0 ? 'even' : 'odd'}-${n}`;
  }

  async function nextTurns(count: number): Promise<void> {
    for (let n = 0; n < count; n++) await new Promise((resolve) => setImmediate(resolve));
  }
});
