import type { Guard } from '@symbolon/kernel';
import type { FreshDatabase } from '@symbolon/testing';
import { Pool } from 'pg';
import { draft, meta } from './event-store.contract';
import { freshLog } from './fresh-log.contract';
import { PostgresEventStore } from './postgres-event-store';

const rules = ['rules-1', 'rules-2'];
const moves = 60;
const writers = 12;

/**
 * Writers of several processes append under guards on streams that others move all the while. An append that was let
 * through lies in the log between the revision it has seen and the next one; a guard that is only looked at, without a
 * lock, lets dozens through too late.
 */
describe('guarded appends of the Postgres log under a race', () => {
  let database: FreshDatabase;
  const pools: Pool[] = [];
  const stores: PostgresEventStore[] = [];

  beforeAll(async () => {
    database = await freshLog();
    for (let process = 0; process < 3; process++) {
      const pool = new Pool({ connectionString: database.url });
      pools.push(pool);
      stores.push(await PostgresEventStore.open(pool));
    }
  });
  afterAll(async () => {
    await Promise.all(stores.map((store) => store.close()));
    await Promise.all(pools.map((pool) => pool.end()));
    await database.drop();
  });

  test('none comes after a move that it has not seen', async () => {
    let moving = true;
    const passed: Array<{ stream: string; guard: Guard }> = [];
    let refused = 0;
    const moved = Promise.all(
      rules.map(async (stream, n) => {
        for (let move = 0; move < moves; move++) await stores[n]!.append(stream, 'any', [draft('rule.moved')], meta);
      }),
    ).finally(() => (moving = false));

    const written = Array.from({ length: writers }, async (_, writer) => {
      const store = stores[writer % stores.length]!;
      const rule = rules[writer % rules.length]!;
      let seen: Guard['revision'] = 'none';
      for (let n = 0; moving; n++) {
        const stream = `thing-${writer}-${n}`;
        const guard: Guard = { stream: rule, revision: seen };
        const answer = await store.append(stream, 'none', [draft()], meta, guard);
        if (answer.status === 'appended') passed.push({ stream, guard });
        if (answer.status !== 'guarded') continue;
        refused++;
        seen = answer.revision < 0n ? 'none' : answer.revision;
      }
    });
    await Promise.all([moved, ...written]);
    expect(passed.length).toBeGreaterThan(writers);
    expect(refused).toBeGreaterThan(writers);

    const { rows } = await database.pool.query<{ stream: string; revision: string }>(
      'select stream, revision from es.event order by xid, position',
    );
    const places = new Map(rows.map(({ stream, revision }, place) => [`${stream}@${revision}`, place]));
    for (const { stream, guard } of passed) {
      const place = places.get(`${stream}@0`)!;
      const next = guard.revision === 'none' ? 0n : guard.revision + 1n;
      if (guard.revision !== 'none') expect(place).toBeGreaterThan(places.get(`${guard.stream}@${guard.revision}`)!);
      expect(place).toBeLessThan(places.get(`${guard.stream}@${next}`) ?? Infinity);
    }
  });

  test('appends that guard one another do not wait for one another for ever', async () => {
    const store = (n: number) => stores[n % stores.length]!;
    const crossed = (n: number) => {
      const [stream, other] = n % 2 === 0 ? ['left-1', 'right-1'] : ['right-1', 'left-1'];
      return store(n).append(stream, 'any', [draft()], meta, { stream: other, revision: 'none' });
    };
    const answers = await Promise.all(Array.from({ length: 60 }, (_, n) => crossed(n)));
    const written = answers.filter(({ status }) => status === 'appended');
    // Whoever came first shuts the other side out.
    expect(written.length).toBeGreaterThan(0);
    const { rows } = await database.pool.query(
      `select distinct stream from es.event where stream in ('left-1', 'right-1')`,
    );
    expect(rows).toHaveLength(1);
  });
});
