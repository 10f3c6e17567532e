import type { PersonalBoxes } from '@symbolon/crypto';
import { MemoryEventStore } from '@symbolon/event-store';
import { type Clock, instant, ManualClock, type Meta, millisOf, type Recorded, Unavailable } from '@symbolon/kernel';
import { type FreshDatabase, freshDatabase } from '@symbolon/testing';
import fc from 'fast-check';
import { DataSource } from 'typeorm';
import { Deadlines } from './deadlines';
import type { Projection } from './projection';
import { ProjectionRunner, type ProjectionRunnerOptions } from './projection-runner';
import { projectionMigrations } from './projection.migration';
import { type Reactor, ReactorRunner, type ReactorRunnerOptions } from './reactor-runner';
import { fold, insert, remove, type RowChange, statement, update } from './row-change';
import { RowWriter } from './row-writer';

const meta: Meta = {
  commandId: null,
  correlationId: 'c',
  causationId: 'c',
  actor: { profileId: null, kind: 'system' },
};
const boxes = {} as PersonalBoxes;

let database: FreshDatabase;
let dataSource: DataSource;
let store: MemoryEventStore;
let stops: Array<() => Promise<void>>;

beforeEach(async () => {
  database = await freshDatabase();
  dataSource = await connect();
  await dataSource.runMigrations();
  await dataSource.query(`
    create schema s;
    create table s.item (id text primary key, owner text not null default 'nobody', n int, seen int not null default 0, unique (owner, n));
    create table s.total (id int primary key, n int not null);
    create table s.kinds (
      id uuid primary key, flag boolean, at timestamptz, bytes bytea, body jsonb, names text[], ids uuid[], big bigint,
      price numeric(12,2), twice int generated always as (n * 2) stored, n int default 7
    )`);
  store = new MemoryEventStore(undefined, 50);
  stops = [];
});

afterEach(async () => {
  for (const stop of stops.reverse()) await stop();
  if (dataSource.isInitialized) await dataSource.destroy();
  await database.drop();
});

function connect(): Promise<DataSource> {
  return new DataSource({
    type: 'postgres',
    url: database.url,
    migrations: projectionMigrations,
    extra: { max: 6 },
    poolErrorHandler: () => undefined,
  }).initialize();
}

let counter = 0;

/** Appends one event and answers its cursor. */
async function append(stream: string, type: string, data: unknown = {}): Promise<string> {
  const appended = await store.append(stream, 'any', [{ id: `event-${++counter}`, type, version: 1, data }], meta);
  if (appended.status === 'conflict') throw new Error('conflict');
  return appended.cursor;
}

function runner(
  projections: Projection[],
  options: ProjectionRunnerOptions = {},
  source = dataSource,
): ProjectionRunner {
  const made = new ProjectionRunner(source, store, boxes, options);
  stops.push(() => made.stop());
  made.start(projections);
  return made;
}

function select<T = Record<string, unknown>>(sql: string): Promise<T[]> {
  return dataSource.query<T[]>(sql);
}

/** Resolves once `condition` answers something; the test's own time limit ends it otherwise. */
async function until<T>(condition: () => T | Promise<T>): Promise<NonNullable<T>> {
  for (;;) {
    const value = await condition();
    if (value) return value;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A promise to be settled from outside. */
function gate(): { opened: Promise<void>; open: () => void } {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}

type Added = { id: string; n: number };
const items: Projection = {
  name: 'test.items',
  version: 1,
  categories: ['item'],
  tables: ['s.item', 's.total'],
  on: {
    added: ({ data }) => [insert('s.item', { id: (data as Added).id }, { n: (data as Added).n })],
    seen: ({ data }) => [update('s.item', { id: (data as Added).id }, { seen: (data as Added).n })],
    removed: async ({ data }) => [remove('s.item', { id: (data as Added).id })],
    counted: ({ data }) => [
      statement('insert into s.total values (1, $1) on conflict (id) do update set n = s.total.n + excluded.n', [
        (data as Added).n,
      ]),
    ],
    broken: ({ data }) => [insert('s.item', { id: (data as Added).id }, { n: 'not a number' })],
  },
};

describe('rows', () => {
  const written = async (changes: readonly RowChange[], together: boolean): Promise<unknown> => {
    const writer = new RowWriter();
    const client = await database.pool.connect();
    try {
      await client.query('begin');
      await client.query(`insert into s.item values ('1', 'old', 1, 1), ('2', 'old', 2, 2)`);
      for (const part of together ? [changes] : changes.map((change) => [change])) {
        for (const step of fold(part)) await writer.write(client, step);
      }
      return (await client.query('select * from s.item order by id')).rows;
    } finally {
      await client.query('rollback');
      client.release();
    }
  };

  test('written together are as if written one after the other', async () => {
    const id = fc.constantFrom('1', '2', '3').map((text) => ({ id: text }));
    const values = fc.record(
      {
        owner: fc.string({ unit: 'grapheme', maxLength: 5 }).map((text) => text.replaceAll('\0', '')),
        seen: fc.nat(9),
      },
      { requiredKeys: [] },
    );
    const change = fc.oneof(
      fc.tuple(id, values).map(([key, set]) => insert('s.item', key, set)),
      fc.tuple(id, values).map(([key, set]) => update('s.item', key, set)),
      id.map((key) => remove('s.item', key)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 12 }), async (changes) => {
        expect(await written(changes, true)).toEqual(await written(changes, false));
      }),
      { numRuns: 60 },
    );
  });

  test('hold every kind of value in every kind of column', async () => {
    const id = '01920000-0000-7000-8000-000000000001';
    const values = {
      flag: false,
      at: new Date('2026-02-21T15:33:44.123Z'),
      bytes: Buffer.from([0, 1, 255]),
      body: { text: 'a "quoted" \\u0041', list: [1, null, { deep: true }] },
      names: ['x', 'a,"b"', '{}', ''],
      ids: [id],
      big: 9007199254740993n,
      price: 12.5,
    };
    await until(() => append('kind-1', 'made', {}));
    const kinds: Projection = {
      name: 'test.kinds',
      version: 1,
      categories: ['kind'],
      tables: ['s.kinds'],
      on: { made: () => [insert('s.kinds', { id }, { ...values, n: undefined })] },
    };
    await runner([kinds]).passed(await store.tail());
    expect(await select('select * from s.kinds')).toEqual([
      { id, ...values, big: '9007199254740993', price: '12.50', n: 7, twice: 14 },
    ]);
  });

  test('take JSON texts, nulls and replaced rows as they are meant', async () => {
    const id = '01920000-0000-7000-8000-000000000001';
    const client = await database.pool.connect();
    const writer = new RowWriter();
    try {
      const write = async (...changes: RowChange[]) => {
        for (const step of fold(changes)) await writer.write(client, step);
      };
      await write(insert('s.kinds', { id }, { body: 'a text', n: 3, flag: true }));
      expect(await select('select body, n, twice from s.kinds')).toEqual([{ body: 'a text', n: 3, twice: 6 }]);
      await write(remove('s.kinds', { id }), insert('s.kinds', { id }, { body: null }));
      expect(await select('select body, n, twice, flag from s.kinds')).toEqual([
        { body: null, n: 7, twice: 14, flag: null },
      ]);
      await expect(write(update('s.kinds', { id }, { colour: 1 }))).rejects.toThrow('s.kinds has no column colour');
    } finally {
      client.release();
    }
  });

  test('are deleted before others are inserted: a unique value may pass on', async () => {
    const client = await database.pool.connect();
    try {
      for (const id of ['a', 'b', 'c']) {
        const changes = [
          insert('s.item', { id }, { n: 1 }),
          ...(id === 'a' ? [] : [remove('s.item', { id: id === 'b' ? 'a' : 'b' })]),
        ];
        for (const step of fold(changes)) await new RowWriter().write(client, step);
        expect(await select('select id, n from s.item')).toEqual([{ id, n: 1 }]);
      }
    } finally {
      client.release();
    }
  });

  test('are written only where the cursor stands as expected', async () => {
    await dataSource.query(`insert into engine.checkpoint (name, cursor) values ('test.items', '7')`);
    await dataSource.query(`insert into s.item values ('old', 'nobody', 1)`);
    const changes = fold([
      insert('s.item', { id: 'new' }, { n: 2 }),
      update('s.item', { id: 'old' }, { n: 3 }),
      remove('s.item', { id: 'old ' }),
    ]).flatMap((step) => (step.kind === 'rows' ? step.changes : []));
    const client = await database.pool.connect();
    try {
      const move = { name: 'test.items', version: 1, from: '6', to: '8' };
      expect(await new RowWriter().move(client, move, changes)).toBe(false);
      expect(await new RowWriter().move(client, { ...move, from: '7', version: 2 }, changes)).toBe(false);
      expect(await select('select id, n from s.item')).toEqual([{ id: 'old', n: 1 }]);
      expect(await new RowWriter().move(client, { ...move, from: '7' }, changes)).toBe(true);
      expect(await select('select id, n from s.item order by id')).toEqual([
        { id: 'new', n: 2 },
        { id: 'old', n: 3 },
      ]);
      expect(await select('select cursor from engine.checkpoint')).toEqual([{ cursor: '8' }]);
    } finally {
      client.release();
    }
  });

  test('with characters that PostgreSQL cannot hold stop nobody', async () => {
    const cursor = await append('item-1', 'added', { id: 'nul \0, half \ud800, whole 😀, backslash \\u0000', n: 1 });
    await runner([items]).passed(cursor);
    expect(await select('select id from s.item')).toEqual([
      { id: 'nul \ufffd, half \ufffd, whole 😀, backslash \\u0000' },
    ]);
  });
});

describe('a projection', () => {
  test('shows every event once passed, and nothing of other categories', async () => {
    const running = runner([items]);
    for (let n = 0; n < 120; n++) await append(`item-${n}`, 'added', { id: String(n), n });
    await append('other-1', 'added', { id: 'other', n: 1 });
    await append('item-1', 'counted', { n: 5 });
    await append('item-3', 'seen', { id: '3', n: 9 });
    await append('item-4', 'removed', { id: '4' });
    await append('item-5', 'unknown to it');
    const cursor = await append('item-1', 'counted', { n: 6 });
    await running.passed(cursor);
    expect(await select('select count(*)::int as rows, sum(seen)::int as seen from s.item')).toEqual([
      { rows: 119, seen: 9 },
    ]);
    expect(await select('select n from s.total')).toEqual([{ n: 11 }]);
    expect(running.status()).toMatchObject([{ name: 'test.items', cursor, state: 'running', error: null }]);
  });

  test('tells of each commit, in order', async () => {
    const running = runner([items]);
    const told: string[] = [];
    const end = running.onCommitted((projection, events) => {
      for (const { id } of events) told.push(`${projection} ${id}`);
      if (told.length === 1) throw new Error('a listener that fails changes nothing');
    });
    const first = counter + 1;
    for (let n = 0; n < 10; n++) await running.passed(await append('item-1', 'added', { id: String(n), n }));
    end();
    await running.passed(await append('item-1', 'added', { id: '10', n: 10 }));
    expect(told).toEqual(Array.from({ length: 10 }, (_, n) => `test.items event-${first + n}`));
  });

  test('moves its cursor for events without rows at once, and writes it before long', async () => {
    const running = runner([items], { tickMillis: 20 });
    await running.passed(await append('other-1', 'whatever'));
    const cursor = await append('item-1', 'unknown to it');
    await running.passed(cursor);
    await until(async () => (await select('select cursor from engine.checkpoint'))[0]?.['cursor'] === cursor);
  });

  test('goes on where it stopped', async () => {
    const first = runner([items]);
    await first.passed(await append('item-1', 'counted', { n: 1 }));
    await append('other-1', 'whatever');
    await first.stop();
    expect(await select('select cursor from engine.checkpoint')).toEqual([{ cursor: '2' }]);
    await runner([items]).passed(await append('item-1', 'counted', { n: 2 }));
    expect(await select('select n from s.total')).toEqual([{ n: 3 }]);
  });

  test('repeats without harm what was committed when the answer was lost', async () => {
    await append('item-1', 'added', { id: 'a', n: 1 });
    const first = runner([items]);
    await first.passed(await append('item-1', 'counted', { n: 1 }));
    await first.stop();
    await dataSource.query(`update engine.checkpoint set cursor = '1'`);
    await dataSource.query('delete from s.total');
    await runner([items]).passed(await append('item-1', 'added', { id: 'a', n: 2 }));
    expect(await select('select id, n from s.item')).toEqual([{ id: 'a', n: 2 }]);
    expect(await select('select n from s.total')).toEqual([{ n: 1 }]);
  });

  test('writes neither rows nor cursor when one of the two fails', async () => {
    const half: Projection = {
      ...items,
      on: {
        ...items.on,
        halved: () => [insert('s.item', { id: 'half' }, {}), statement('insert into s.total values (1, 1 / 0)')],
      },
    };
    const running = runner([half]);
    const good = await append('item-1', 'added', { id: 'a', n: 1 });
    await running.passed(good);
    await append('item-1', 'halved');
    expect(await until(() => running.status()[0]?.error)).toBe('error 22012');
    expect(await select('select id from s.item')).toEqual([{ id: 'a' }]);
    expect(await select('select cursor from engine.checkpoint')).toEqual([{ cursor: good }]);
  });

  test('run by two at once still shows every event once', async () => {
    const other = await connect();
    stops.push(() => other.destroy());
    const lost: string[] = [];
    const observer = { retried: (_: string, error: string) => lost.push(error) };
    const both = [runner([items], { observer }), runner([items], { observer }, other)];
    const writers = Array.from({ length: 4 }, async (_, writer) => {
      for (let n = 0; n < 100; n++) {
        await append(`item-${writer}`, 'counted', { n: 1 });
        await append(`item-${writer}`, 'added', { id: `${writer}-${n}`, n: writer * 1000 + n });
        if (n % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    });
    await Promise.all(writers);
    const tail = await store.tail();
    await Promise.all(both.map((each) => each.passed(tail)));
    expect(await select('select n from s.total')).toEqual([{ n: 400 }]);
    expect(await select('select count(*)::int as n from s.item')).toEqual([{ n: 400 }]);
    expect(lost).toEqual([]);
  });

  test('is waited for also by a process that runs none', async () => {
    runner([items], { tickMillis: 20 });
    const spectator = runner([]);
    await spectator.passed(await append('item-1', 'added', { id: 'a', n: 1 }));
    expect(await select('select id from s.item')).toEqual([{ id: 'a' }]);
    await spectator.passed(await append('other-1', 'whatever'));
    expect(await select('select cursor from engine.checkpoint')).toEqual([{ cursor: '2' }]);
  });

  test('lets go of those who wait when it stops', async () => {
    const running = runner([items]);
    const waiting = running.passed('1000');
    await Promise.all([expect(waiting).rejects.toThrow(Unavailable), running.stop()]);
  });

  test('survives the loss of its database', async () => {
    const told: string[] = [];
    const running = runner([items], { observer: { retried: (_, error) => told.push(error) }, tickMillis: 20 });
    await running.passed(await append('item-1', 'added', { id: 'a', n: 1 }));
    const name = new URL(database.url).pathname.slice(1);
    const outside = new DataSource({ type: 'postgres', url: process.env['SYMBOLON_TEST_DATABASE'] as string });
    await outside.initialize();
    stops.push(() => outside.destroy());
    const away = `alter database ${name} with allow_connections false`;
    const kick = `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`;
    await outside.query(away);
    await outside.query(kick);
    const cursor = await append('item-1', 'added', { id: 'b', n: 2 });
    await until(() => told.length > 1);
    await outside.query(`alter database ${name} with allow_connections true`);
    await running.passed(cursor);
    expect(await select('select count(*)::int as n from s.item')).toEqual([{ n: 2 }]);
  });

  test('notices that the database has lost its last commits', async () => {
    const running = runner([items], { tickMillis: 20 });
    await running.passed(await append('item-1', 'added', { id: 'a', n: 1 }));
    const [before] = await select<{ cursor: string }>('select cursor from engine.checkpoint');
    await running.passed(await append('item-1', 'added', { id: 'b', n: 2 }));
    await dataSource.query(
      `with gone as (delete from s.item where id = 'b') update engine.checkpoint set cursor = $1`,
      [before?.cursor],
    );
    await until(async () => (await select('select id from s.item')).length === 2);
  });
});

describe('an event that cannot be applied', () => {
  const others: Projection = {
    ...items,
    name: 'test.others',
    tables: ['s.total'],
    on: { counted: items.on['counted'] as never },
  };

  test('stops its projection and no other, is noted, and is passed only by an operator', async () => {
    const stalled: string[] = [];
    const running = runner([items, others], {
      observer: { stalled: (name, event) => stalled.push(`${name} ${event}`) },
    });
    await append('item-1', 'added', { id: 'a', n: 1 });
    await append('item-1', 'broken', { id: 'b' });
    const poisonous = `event-${counter}`;
    const cursor = await append('item-1', 'added', { id: 'c', n: 3 });
    await append('item-1', 'counted', { n: 4 });

    await until(async () => (await select('select n from s.total')).length > 0);
    await until(() => stalled.length > 1);
    expect(new Set(stalled)).toEqual(new Set([`test.items ${poisonous}`]));
    const noted = await until(
      async () => (await select('select * from engine.checkpoint where stalled_event is not null'))[0],
    );
    expect(noted).toMatchObject({
      name: 'test.items',
      cursor: null,
      stalled_event: poisonous,
      error: expect.stringContaining('22P02'),
    });
    expect(JSON.stringify(noted)).not.toContain('not a number');
    expect(running.status()[0]).toMatchObject({ state: 'stalled', event: poisonous, cursor: null });
    expect(await select('select id from s.item')).toEqual([]);

    // Commands go on meanwhile.
    await running.passed(cursor);

    expect(await running.skip('test.others')).toBeNull();
    expect(await running.skip('test.items')).toBe(poisonous);
    await until(() => running.status()[0]?.state === 'running');
    await running.passed(await store.tail());
    expect(await select('select id from s.item order by id')).toEqual([{ id: 'a' }, { id: 'c' }]);
    expect(
      await select("select stalled_event, error, skipped from engine.checkpoint where name = 'test.items'"),
    ).toEqual([{ stalled_event: null, error: null, skipped: [poisonous] }]);
  });

  test('is applied once the cause is mended', async () => {
    let mended = false;
    const touchy: Projection = {
      ...items,
      on: {
        added: (event, box) => {
          if (!mended) throw new TypeError('cannot');
          return items.on['added']?.(event, box) as RowChange[];
        },
      },
    };
    const running = runner([touchy]);
    await append('item-1', 'added', { id: 'a', n: 1 });
    await until(() => running.status()[0]?.error === 'TypeError: cannot');
    mended = true;
    await until(() => running.status()[0]?.state === 'running');
    expect(await select('select id from s.item')).toEqual([{ id: 'a' }]);
    expect(await select('select error, stalled_since from engine.checkpoint')).toEqual([
      { error: null, stalled_since: null },
    ]);
  });

  test('is not what a dependency that is away makes of it', async () => {
    let away = true;
    const sealed: Projection = {
      ...items,
      on: {
        added: async (event, box) => {
          if (away) throw new Unavailable('keys');
          return (await items.on['added']?.(event, box)) ?? [];
        },
      },
    };
    const retried: string[] = [];
    const running = runner([sealed], { observer: { retried: (_, error) => retried.push(error) } });
    const cursor = await append('item-1', 'added', { id: 'a', n: 1 });
    await until(() => retried.length > 5);
    expect(running.status()).toMatchObject([{ state: 'running', error: null }]);
    away = false;
    await running.passed(cursor);
    expect(await select('select id from s.item')).toEqual([{ id: 'a' }]);
  });

  test('is not what only fails when written together', async () => {
    // Owner and number are unique. Two rows exchange their numbers by way of a third.
    for (const [id, n] of Object.entries({ a: 1, b: 2 })) await append('item-1', 'added', { id, n });
    await runner([items]).passed(await store.tail());
    for (const stop of stops.splice(0)) await stop();
    for (const [id, n] of [['a', 3] as const, ['b', 1] as const, ['a', 2] as const])
      await append('item-1', 'added', { id, n });
    const running = runner([items]);
    await running.passed(await store.tail());
    expect(running.status()).toMatchObject([{ state: 'running', cursor: '5' }]);
    expect(await select('select id, n from s.item order by id')).toEqual([
      { id: 'a', n: 2 },
      { id: 'b', n: 1 },
    ]);
  });
});

describe('a rebuild', () => {
  test('follows from a raised version, with rows of the new kind only', async () => {
    const first = runner([items]);
    for (let n = 0; n < 120; n++) await append(`item-${n}`, 'added', { id: String(n), n });
    await append('item-1', 'counted', { n: 2 });
    await first.passed(await store.tail());
    await first.stop();
    const next: Projection = {
      ...items,
      version: 2,
      on: {
        ...items.on,
        added: ({ data }) => [insert('s.item', { id: (data as Added).id }, { n: -(data as Added).n })],
      },
    };
    await runner([next]).passed(await store.tail());
    expect(await select('select count(*)::int as rows, max(n) as n from s.item')).toEqual([{ rows: 120, n: 0 }]);
    expect(await select('select n from s.total')).toEqual([{ n: 2 }]);
    expect(await select('select version from engine.checkpoint')).toEqual([{ version: 2 }]);
  });

  test('by a newer process leaves the older one waiting', async () => {
    const old = runner([items], { tickMillis: 20 });
    await old.passed(await append('item-1', 'counted', { n: 1 }));
    const next = runner([{ ...items, version: 2 }], { tickMillis: 20 });
    await until(() => old.status()[0]?.state === 'standby');
    const cursor = await append('item-1', 'counted', { n: 1 });
    await Promise.all([next.passed(cursor), old.passed(cursor)]);
    expect(await select('select n from s.total')).toEqual([{ n: 2 }]);
  });

  test("at an operator's word forgets what was skipped", async () => {
    let mended = false;
    const touchy: Projection = {
      ...items,
      on: {
        ...items.on,
        broken: ({ data }) => [insert('s.item', { id: (data as Added).id }, { n: mended ? 2 : 'no number' })],
      },
    };
    const running = runner([touchy]);
    await append('item-1', 'counted', { n: 1 });
    const cursor = await append('item-1', 'broken', { id: 'b' });
    await until(() => running.skip('test.items'));
    await until(() => running.status()[0]?.cursor === cursor);
    expect(await select('select id from s.item')).toEqual([]);
    mended = true;
    expect(await running.rebuild('test.items')).toBe(true);
    await until(async () => (await select('select id from s.item')).length === 1);
    expect(await select('select n from s.total')).toEqual([{ n: 1 }]);
    expect(await running.rebuild('test.nothing')).toBe(false);
  });
});

describe('a reactor', () => {
  function reactors(all: Reactor[], options: ReactorRunnerOptions = {}): ReactorRunner {
    const made = new ReactorRunner(dataSource, store, options);
    stops.push(() => made.stop());
    made.start(all);
    return made;
  }

  /** Copies events to another category under derived ids. */
  const copying = (before: (event: Recorded) => Promise<void> | void = () => undefined): Reactor => ({
    name: 'test.when-added-then-copied',
    categories: ['item'],
    on: {
      added: async (event) => {
        await before(event);
        const draft = { id: `${event.id}-copy`, type: 'copied', version: 1, data: event.data };
        await store.append(`copy-${event.stream}`, 'any', [draft], meta);
      },
    },
  });

  async function copies(stream: string): Promise<number[]> {
    const numbers: number[] = [];
    for await (const { data } of store.read(`copy-${stream}`)) numbers.push((data as Added).n);
    return numbers;
  }

  test('handles every event in the order of its stream, streams beside each other', async () => {
    const slow = gate();
    const running = reactors([copying((event) => (event.stream === 'item-0' ? slow.opened : undefined))]);
    for (let n = 0; n < 40; n++) await append(`item-${n % 4}`, 'added', { n });
    await append('item-1', 'unknown to it');
    await until(async () => (await copies('item-3')).length === 10);
    expect(await copies('item-0')).toEqual([]);
    slow.open();
    await running.passed(await store.tail());
    for (const first of [0, 1, 2, 3]) {
      expect(await copies(`item-${first}`)).toEqual(Array.from({ length: 10 }, (_, n) => first + 4 * n));
    }
  });

  test('calls a handler again until it succeeds and skips nothing', async () => {
    let failures = 3;
    const told: number[] = [];
    const running = reactors(
      [
        copying(({ data }) => {
          if ((data as Added).n === 1 && failures-- > 0) throw new Error('not yet');
        }),
      ],
      { observer: (_, __, ___, attempt) => told.push(attempt) },
    );
    for (const n of [0, 1, 2]) await append('item-1', 'added', { n });
    await running.passed('3');
    expect(await copies('item-1')).toEqual([0, 1, 2]);
    expect(told).toEqual([1, 2, 3]);
    expect(running.status()).toMatchObject([{ error: null }]);
  });

  test('repeats after a crash what derived ids keep single', async () => {
    const crashed = reactors([copying()], { persistMillis: 60_000 });
    for (const n of [0, 1, 2]) await append('item-1', 'added', { n });
    await crashed.passed('3');
    expect(await select('select * from engine.checkpoint')).toEqual([]);
    const handled: number[] = [];
    const next = reactors([copying(({ data }) => void handled.push((data as Added).n))], { persistMillis: 1 });
    await next.passed(await append('item-1', 'added', { n: 3 }));
    expect(handled).toEqual([0, 1, 2, 3]);
    expect(await copies('item-1')).toEqual([0, 1, 2, 3]);
  });

  test('goes on where it stopped', async () => {
    const first = reactors([copying()]);
    const cursor = await append('item-1', 'added', { n: 0 });
    await first.passed(cursor);
    await first.stop();
    expect(await select('select name, kind, cursor from engine.checkpoint')).toEqual([
      { name: 'reactor.test.when-added-then-copied', kind: 'reactor', cursor },
    ]);
    const handled: number[] = [];
    const next = reactors([copying(({ data }) => void handled.push((data as Added).n))]);
    await next.passed(await append('item-1', 'added', { n: 1 }));
    expect(handled).toEqual([1]);
  });

  test('writes its cursor soon while it runs', async () => {
    const running = reactors([copying()], { persistMillis: 1 });
    const cursor = await append('item-1', 'added', { n: 0 });
    await running.passed(cursor);
    await until(async () => (await select('select cursor from engine.checkpoint where cursor is not null')).length > 0);
  });
});

describe('a deadline', () => {
  const noon = millisOf('2026-02-21T12:00:00.000+00:00');
  let clock: ManualClock;
  beforeEach(() => (clock = new ManualClock(noon)));

  function deadlines(at: Clock = clock, leaseMillis = 30_000): Deadlines {
    const made = new Deadlines(dataSource, at, { leaseMillis });
    stops.push(() => made.stop());
    return made;
  }
  const tea = (id = 'tea') => ({ id, kind: 'tea', dueAt: instant(noon + 60_000), data: { cups: 2 } });

  test('is handled once, when it is due and not before', async () => {
    const timer = deadlines();
    const handled: unknown[] = [];
    timer.handle('tea', async (data, id) => void handled.push([id, data]));
    await timer.schedule(tea());
    await timer.schedule({ ...tea(), data: { cups: 99 } });
    expect(await timer.runDue()).toBe(0);
    clock.advance(59.999);
    expect(await timer.runDue()).toBe(0);
    clock.advance(0.001);
    expect(await timer.runDue()).toBe(1);
    expect(await timer.runDue()).toBe(0);
    expect(handled).toEqual([['tea', { cups: 2 }]]);
    expect(await select('select * from engine.deadline')).toEqual([]);
  });

  test('is not handled when cancelled, or where its kind has no handler', async () => {
    const timer = deadlines();
    timer.handle('tea', async () => undefined);
    await timer.schedule(tea());
    await timer.schedule({ ...tea('other'), kind: 'coffee' });
    await timer.cancel('tea');
    clock.advance(3600);
    expect(await timer.runDue()).toBe(0);
    expect(await select('select id from engine.deadline')).toEqual([{ id: 'other' }]);
  });

  test('that falls due again waits for that', async () => {
    const timer = deadlines();
    let times = 0;
    timer.handle('tea', async () => (++times < 3 ? { again: clock.after(60) } : undefined));
    await timer.schedule(tea());
    for (let minute = 0; minute < 5; minute++) {
      clock.advance(60);
      await timer.runDue();
    }
    expect(times).toBe(3);
    expect(await select('select * from engine.deadline')).toEqual([]);
  });

  test('is shared by two tickers, each row handled once', async () => {
    const other = await connect();
    stops.push(() => other.destroy());
    const second = new Deadlines(other, clock);
    stops.push(() => second.stop());
    const handled: string[] = [];
    const tickers = [deadlines(), second];
    for (const ticker of tickers) ticker.handle('tea', async (_, id) => void handled.push(id));
    const [first] = tickers as [Deadlines, Deadlines];
    for (let n = 0; n < 100; n++) await first.schedule(tea(`tea-${n}`));
    for (const ticker of tickers) ticker.start();
    clock.advance(60);
    await first.schedule(tea('the last'));
    await until(async () => (await select('select id from engine.deadline')).length === 0);
    expect(handled).toHaveLength(101);
    expect(new Set(handled).size).toBe(101);
  });

  test('whose handler runs is left alone by others, beyond its lease', async () => {
    const running = gate();
    const done = gate();
    const slow = deadlines(clock, 60);
    const other = deadlines();
    let started = 0;
    slow.handle('tea', async () => {
      started++;
      running.open();
      await done.opened;
    });
    other.handle('tea', async () => void started++);
    await slow.schedule(tea());
    clock.advance(60);
    const run = slow.runDue();
    await running.opened;
    const leased = async () =>
      (await select<{ until: Date }>('select leased_until as until from engine.deadline'))[0]?.until.getTime();
    const first = (await leased()) as number;
    // Renewed twice: the first lease has run out by then.
    await until(async () => ((await leased()) as number) > first + 60);
    expect(await other.runDue()).toBe(0);
    done.open();
    expect(await run).toBe(1);
    expect(started).toBe(1);
  });

  test('of a process that died comes back after its lease', async () => {
    const timer = deadlines();
    await timer.schedule(tea());
    clock.advance(60);
    await dataSource.query(
      `update engine.deadline set claims = 1, leased_until = clock_timestamp() + interval '100 milliseconds'`,
    );
    timer.handle('tea', async () => undefined);
    await until(() => timer.runDue());
    expect(await select('select * from engine.deadline')).toEqual([]);
  });

  test('is not ended by one who has lost the lease', async () => {
    const timer = deadlines();
    timer.handle('tea', async () => {
      await dataSource.query('update engine.deadline set claims = claims + 1');
    });
    await timer.schedule(tea());
    clock.advance(60);
    await timer.runDue();
    expect(await select('select id from engine.deadline')).toEqual([{ id: 'tea' }]);
  });

  test('comes again when its handler throws', async () => {
    const told: string[] = [];
    const timer = new Deadlines(dataSource, clock, {
      observer: (kind, id, error) => told.push(`${kind} ${id} ${error}`),
    });
    let failures = 2;
    timer.handle('tea', async () => {
      if (failures-- > 0) throw new Error('no water');
    });
    await timer.schedule(tea());
    clock.advance(60);
    expect(await timer.runDue()).toBe(0);
    expect(await select('select failures, error from engine.deadline')).toEqual([
      { failures: 1, error: 'Error: no water' },
    ]);
    await until(() => timer.runDue());
    expect(told).toEqual(['tea tea Error: no water', 'tea tea Error: no water']);
  });

  test('wakes the ticker that sleeps', async () => {
    const timer = deadlines();
    const handled = gate();
    timer.start();
    timer.handle('tea', async () => handled.open());
    await timer.schedule({ ...tea(), dueAt: clock.now() });
    await handled.opened;
    await until(async () => (await select('select id from engine.deadline')).length === 0);
  });
});
