import { createServer, connect, type AddressInfo, type Socket } from 'node:net';
import { type Batch, instant, type Recorded, Unavailable } from '@symbolon/kernel';
import type { FreshDatabase } from '@symbolon/testing';
import { Pool } from 'pg';
import { all, cursorOf, draft, eventStoreContract, meta, take } from './event-store.contract';
import { freshLog } from './fresh-log.contract';
import { LogMoved, rebaseLog } from './log-moved';
import { PostgresEventStore, type PostgresEventStoreOptions } from './postgres-event-store';

/** So long that a test which waits for it fails: what happens, happens through wake-ups. */
const never = 3_600_000;

eventStoreContract('postgres', async () => {
  const database = await freshLog();
  const store = await PostgresEventStore.open(database.pool);
  return {
    store,
    stop: async () => {
      await store.close();
      await database.drop();
    },
  };
});

describe('the Postgres log', () => {
  let database: FreshDatabase;
  let stores: PostgresEventStore[];
  let stopFollowing: AbortController;

  beforeEach(async () => {
    database = await freshLog();
    stores = [];
    stopFollowing = new AbortController();
  });
  afterEach(async () => {
    stopFollowing.abort();
    await Promise.all(stores.map((store) => store.close()));
    await database.drop();
  });

  function open(options?: PostgresEventStoreOptions, pool = database.pool): PostgresEventStore {
    const store = new PostgresEventStore(pool, options);
    stores.push(store);
    return store;
  }
  const follow = (store: PostgresEventStore, after: string | null = null, categories = ['thing']) =>
    store.follow(categories, after, stopFollowing.signal);
  const types = (events: readonly Recorded[]) => events.map(({ type }) => type);

  describe('is only appended to', () => {
    test.each([
      ['update', `update es.event set type = 'forged'`],
      ['delete', 'delete from es.event'],
      ['truncate', 'truncate es.event'],
    ])('%s is refused', async (operation, sql) => {
      await open().append('thing-1', 'none', [draft()], meta);
      await expect(database.pool.query(sql)).rejects.toThrow(`the log is only appended to: ${operation}`);
      expect((await database.pool.query('select type from es.event')).rows).toEqual([{ type: 'thing.happened' }]);
    });

    test('an append within a transaction that has written is refused: its order could be wrong', async () => {
      const client = await database.pool.connect();
      await client.query('begin; create table other ()');
      await expect(client.query(`select es.append('thing-1', -1, '{}', '[]')`)).rejects.toThrow('first write');
      await client.query('rollback');
      client.release();
    });

    test('es.append takes one request', async () => {
      const { id } = draft();
      const append = `select status, revision from es.append('thing-1', -1, '{}', jsonb_build_array(jsonb_build_array($1::text, 'a', 1, '{}'::jsonb)))`;
      expect((await database.pool.query(append, [id])).rows).toEqual([{ status: 'appended', revision: '0' }]);
      expect((await database.pool.query(append, [id])).rows).toEqual([{ status: 'duplicate', revision: '0' }]);
    });
  });

  describe('groups appends', () => {
    test('many at once share few transactions', async () => {
      const store = open();
      await Promise.all(Array.from({ length: 200 }, (_, n) => store.append(`thing-${n}`, 'none', [draft()], meta)));
      const { rows } = await database.pool.query(
        'select count(distinct xid)::int as transactions, count(*)::int as events from es.event',
      );
      expect(rows[0].events).toBe(200);
      expect(rows[0].transactions).toBeLessThan(20);
    });

    test('what the database cannot store harms no neighbour', async () => {
      const store = open();
      const answers = await Promise.allSettled([
        store.append('thing-1', 'none', [draft()], meta),
        store.append('thing-poison', 'none', [draft('a', 'a \u0000 byte')], meta),
        store.append('thing-2', 'none', [draft()], meta),
      ]);
      expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
      expect(await all(store.read('thing-poison'))).toEqual([]);
    });

    test('a large append does not let later ones to its stream pass', async () => {
      const store = open({ lanes: 1 });
      const big = (name: string) => draft(name, 'x'.repeat(700_000));
      await Promise.all([
        store.append('thing-1', 'any', [big('a')], meta),
        store.append('thing-2', 'any', [big('b')], meta),
        store.append('thing-2', 'any', [draft('c')], meta),
      ]);
      expect(types(await all(store.read('thing-2')))).toEqual(['b', 'c']);
    });

    test('two processes never both create a stream', async () => {
      const [one, other] = [open(), open()];
      const streams = Array.from({ length: 100 }, (_, n) => `thing-${n}`);
      const answers = await Promise.all(
        streams.map((stream) =>
          Promise.all([one, other].map((store) => store.append(stream, 'none', [draft()], meta))),
        ),
      );
      for (const pair of answers) expect(pair.map(({ status }) => status).sort()).toEqual(['appended', 'conflict']);
    });
  });

  describe('feeds followers', () => {
    test('at once, when the same process appends', async () => {
      const store = open({ pollMillis: never });
      for await (const { events } of withFirst(store, follow(store))) {
        expect(events).toHaveLength(1);
        if (events[0]?.type === 'last') break;
        await store.append('thing-1', 'any', [draft('last')], meta);
      }
    });

    test('by polling, when another process appends', async () => {
      const [store, other] = [open({ pollMillis: 5 }), open()];
      const seen = take(follow(store), 3);
      for (const type of ['a', 'b', 'c']) await other.append('thing-1', 'any', [draft(type)], meta);
      expect(types(await seen)).toEqual(['a', 'b', 'c']);
    });

    test('soon after the transaction that hid an event has ended, not with the next poll', async () => {
      const store = open({ pollMillis: never });
      await store.append('thing-1', 'none', [draft('first')], meta);
      const batches = follow(store)[Symbol.asyncIterator]();
      expect(types((await batches.next()).value.events)).toEqual(['first']);

      const next = batches.next();
      const older = await database.pool.connect();
      await older.query('begin; select pg_current_xact_id()');
      await store.append('thing-1', 'any', [draft('hidden')], meta);
      await tailWasRead();
      await older.query('commit');
      older.release();
      expect(types((await next).value.events)).toEqual(['hidden']);
    });

    test('never with an event of a younger transaction before one of an older', async () => {
      const store = open({ pollMillis: 5 });
      const older = await database.pool.connect();
      const { id } = draft();
      await older.query('begin');
      await older.query(
        `select es.append('thing-old', -1, '{}', jsonb_build_array(jsonb_build_array($1::text, 'old', 1, '{}'::jsonb)))`,
        [id],
      );
      const seen = take(follow(store), 2);
      await store.append('thing-young', 'none', [draft('young')], meta);
      await older.query('commit');
      older.release();
      expect(types(await seen)).toEqual(['old', 'young']);
    });

    test('who fall behind read on by themselves, in order, and hold nobody', async () => {
      const store = open({ pageSize: 10, feedCapacity: 15 });
      const first = cursorOf(await store.append('thing-0', 'none', [draft()], meta));
      const slow = follow(store, first)[Symbol.asyncIterator]();
      const waiting = slow.next();
      const fast = take(follow(store, first), 100);
      for (let n = 1; n <= 100; n++) await store.append(`thing-${n}`, 'none', [draft(String(n))], meta);
      const expected = Array.from({ length: 100 }, (_, n) => String(n + 1));
      expect(types(await fast)).toEqual(expected);

      const late = [...(await waiting).value.events];
      while (late.length < 100) {
        const { events } = (await slow.next()).value as Batch;
        expect(events.length).toBeLessThanOrEqual(10);
        late.push(...events);
      }
      expect(types(late)).toEqual(expected);
    });

    test('with pages of one event, whatever their categories', async () => {
      const store = open({ pageSize: 1 });
      const log = Array.from({ length: 30 }, (_, n) => (n % 3 === 0 ? `thing-${n}` : `other-${n}`));
      for (const stream of log) await store.append(stream, 'none', [draft(stream)], meta);
      expect(types(await take(follow(store), 10))).toEqual(log.filter((stream) => stream.startsWith('thing')));
    });
  });

  test('is found by time, a minute early where transactions could have overlapped', async () => {
    const store = open();
    const minutesAgo = [10, 5, 3, 0];
    for (const minutes of minutesAgo) {
      await database.pool.query(
        `insert into es.event (stream, revision, id, type, version, data, meta, recorded_at)
         values ($1, 0, $2, 'old', 1, '{}', '{}', now() - $3 * interval '1 minute')`,
        [`thing-${minutes}`, draft().id, minutes],
      );
    }
    const after = await store.since(instant(Date.now() - 3.5 * 60_000));
    expect((await take(follow(store, after), 2)).map(({ stream }) => stream)).toEqual(['thing-3', 'thing-0']);
  });

  describe('when the database is away', () => {
    test('writers and readers are told that it is unavailable, followers wait until they are stopped', async () => {
      const nowhere = new Pool({ host: '127.0.0.1', port: 1 });
      const store = open({}, nowhere);
      await expect(store.append('thing-1', 'any', [draft()], meta)).rejects.toThrow(Unavailable);
      await expect(all(store.read('thing-1'))).rejects.toThrow(Unavailable);
      await expect(store.tail()).rejects.toThrow(Unavailable);
      await expect(PostgresEventStore.open(nowhere)).rejects.toThrow(Unavailable);
      const waiting = all(follow(store));
      stopFollowing.abort();
      expect(await waiting).toEqual([]);
      await nowhere.end();
    });

    test('nothing is lost or doubled while connections are cut', async () => {
      const store = open({ pollMillis: 20 });
      const seen = take(follow(store), 600);
      let cuts = 0;
      let outages = 0;
      let running = true;
      const cutting = (async () => {
        while (running && (cuts < 20 || outages === 0)) {
          const { rowCount } = await database.pool.query(
            `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'symbolon-log'`,
          );
          cuts += rowCount ?? 0;
        }
      })();
      await Promise.all(
        Array.from({ length: 20 }, async (_, n) => {
          for (let revision = 0; revision < 30; revision++) {
            const event = draft();
            for (let done = false; !done;) {
              try {
                const answer = await store.append(`thing-${n}`, 'any', [event], meta);
                expect(answer).toMatchObject({ revision: BigInt(revision) });
                done = true;
              } catch (error) {
                expect(error).toBeInstanceOf(Unavailable);
                outages++;
              }
            }
          }
        }),
      );
      running = false;
      await cutting;
      expect(cuts).toBeGreaterThan(0);
      const events = await seen;
      expect(events).toHaveLength(600);
      expect(new Set(events.map(({ id }) => id)).size).toBe(600);
    });

    test('an append whose answer was lost is repeated as a duplicate', async () => {
      const line = await cuttableLine(database.url);
      const pool = new Pool({ connectionString: line.url });
      const store = open({}, pool);
      await store.append('thing-0', 'none', [draft()], meta);

      const event = draft();
      line.cutBeforeAnswer();
      await expect(store.append('thing-1', 'none', [event], meta)).rejects.toThrow(Unavailable);
      expect(await store.append('thing-1', 'none', [event], meta)).toMatchObject({ status: 'duplicate', revision: 0n });
      await store.close();
      await pool.end();
      line.close();
    });

    test('a closed store is unavailable and its followers end', async () => {
      const store = open();
      const followed = all(follow(store));
      await store.append('thing-1', 'none', [draft()], meta);
      await store.close();
      await expect(store.append('thing-1', 'any', [draft()], meta)).rejects.toThrow(Unavailable);
      await followed;
    });
  });

  describe('that was moved', () => {
    const things = (events: readonly Recorded[]) => events.map(({ stream, revision }) => `${stream}@${revision}`);

    test('is known by the cluster it was written on', async () => {
      await expect(PostgresEventStore.open(database.pool).then((store) => stores.push(store))).resolves.toBe(1);
      await database.pool.query('update es.origin set system_identifier = 1');
      await expect(PostgresEventStore.open(database.pool)).rejects.toThrow(LogMoved);
      await expect(PostgresEventStore.open(database.pool)).rejects.toThrow('symbolon log rebase');
    });

    test('is known by transaction ids that lie ahead', async () => {
      await fromElsewhere(1_000_000_000_000);
      await expect(PostgresEventStore.open(database.pool)).rejects.toThrow(LogMoved);
    });

    test('is mended: the same order, the same cursors, nothing missed after', async () => {
      // Positions do not follow the xids, as where transactions overlapped; and there are gaps.
      const elsewhere = 1_000_000_000_000;
      await fromElsewhere(elsewhere);
      await database.pool.query(`
        create schema projections;
        create table projections."check point" (name text primary key, "the cursor" text);
        insert into projections."check point" values ('before', null), ('start', '0:0'), ('two', '${elsewhere + 1}:40'),
          ('between', '${elsewhere + 1}:999'), ('all', '${elsewhere + 3}:30')`);

      await rebaseLog(database.pool, [{ table: 'projections.check point', column: 'the cursor' }]);

      const store = await PostgresEventStore.open(database.pool);
      stores.push(store);
      const order = ['thing-a@0', 'thing-b@0', 'thing-c@0', 'thing-a@1', 'thing-a@2'];
      expect(things(await take(follow(store), 5))).toEqual(order);

      const { rows } = await database.pool.query(
        'select name, "the cursor" as cursor from projections."check point" order by name',
      );
      const seenBefore = { before: 0, start: 0, two: 2, between: 2, all: 5 } as Record<string, number>;
      await store.append('thing-new', 'none', [draft()], meta);
      for (const { name, cursor } of rows) {
        const rest = [...order, 'thing-new@0'].slice(seenBefore[name]);
        expect([name, things(await take(follow(store, cursor), rest.length))]).toEqual([name, rest]);
      }
      await expect(database.pool.query('delete from es.event')).rejects.toThrow('only appended to');

      await rebaseLog(database.pool);
      expect(things(await take(follow(store), 6))).toEqual([...order, 'thing-new@0']);
    });

    /** Five events in transactions numbered from `xid`. */
    async function fromElsewhere(xid: number): Promise<void> {
      const log: [number, number, string, number][] = [
        [xid, 50, 'thing-a', 0],
        [xid + 1, 40, 'thing-b', 0],
        [xid + 2, 10, 'thing-c', 0],
        [xid + 2, 60, 'thing-a', 1],
        [xid + 3, 30, 'thing-a', 2],
      ];
      for (const [at, position, stream, revision] of log) {
        await database.pool.query(
          `insert into es.event (xid, position, stream, revision, id, type, version, data, meta)
           values ($1::text::xid8, $2, $3, $4, $5, 'moved', 1, '{}', '{}')`,
          [at, position, stream, revision, draft().id],
        );
      }
    }
  });

  /** Resolves when a store has looked for new events since the last one was stored, and has its answer. */
  async function tailWasRead(): Promise<void> {
    const sql = `select from pg_stat_activity where datname = current_database() and state = 'idle'
      and query like 'select xid, position, category%' and query_start > (select max(recorded_at) + interval '1 ms' from es.event)
      and application_name = 'symbolon-log'`;
    while ((await database.pool.query(sql)).rowCount === 0);
  }

  /** The batches with events, after a first append that begins them. */
  async function* withFirst(store: PostgresEventStore, batches: AsyncIterable<Batch>): AsyncIterable<Batch> {
    await store.append('thing-1', 'any', [draft('first')], meta);
    for await (const batch of batches) if (batch.events.length > 0) yield batch;
  }
});

/** A way to the database that can be cut between a query and its answer. */
async function cuttableLine(target: string): Promise<{ url: string; cutBeforeAnswer(): void; close(): void }> {
  const { hostname, port } = new URL(target);
  let cut = false;
  const server = createServer((near: Socket) => {
    const far = connect(Number(port || 5432), hostname);
    near.on('data', (bytes) => far.write(bytes));
    far.on('data', (bytes) => {
      if (!cut) return void near.write(bytes);
      cut = false;
      near.destroy();
    });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on('error', () => undefined);
      one.on('close', () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(target);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  return { url: url.href, cutBeforeAnswer: () => void (cut = true), close: () => server.close() };
}
