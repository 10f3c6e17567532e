import { PersonalBoxes } from '@symbolon/crypto';
import { identityMigrations, IdentityModule } from '@symbolon/identity';
import { type TestProfile, TestServer } from '@symbolon/testing';
import { tokenVaultMigrations, TokenVaultModule } from '../index';

const contexts = {
  modules: [IdentityModule, TokenVaultModule],
  migrations: [...identityMigrations, ...tokenVaultMigrations],
  entities: [],
};

interface Row {
  readonly n: number;
  readonly status: string;
  readonly live: boolean;
  readonly context_index: string[];
}

/** Rows are written as the projection writes them, many at a time; `size` tells which one an item of the list is. */
describe('a list of many tokens', () => {
  let server: TestServer;
  let ada: TestProfile;
  let indexes: Record<'a' | 'b' | 'rare' | 'early' | 'shared', string>;
  let next = 1;

  beforeAll(async () => {
    server = await TestServer.start({ contexts });
    ada = await server.profile();
    const boxes = server.served.app.get(PersonalBoxes);
    indexes = {
      a: await boxes.blindIndex(ada.profileId, 'context', 'box a'),
      b: await boxes.blindIndex(ada.profileId, 'context', 'box b'),
      rare: await boxes.blindIndex(ada.profileId, 'context', 'rare'),
      early: await boxes.blindIndex(ada.profileId, 'context', 'early'),
      shared: await boxes.blindIndex(ada.profileId, 'context', 'box', 3),
    };
  });
  afterAll(() => server.stop());

  const query = async <R>(sql: string, ...params: unknown[]) =>
    (await server.database.pool.query(sql, [ada.profileId, ...params])).rows as R[];

  /** `createdAt` is SQL of the number `i` from 0; every fifth token stays temporary, some of them past their time. */
  async function add(count: number, createdAt: string, context = 'a'): Promise<void> {
    const wide = { a: [indexes.a, indexes.shared], b: [indexes.b, indexes.shared] }[context];
    await query(
      `insert into token_vault.token (token_id, profile_id, status, writing, version, size, context_index,
                                      created_at, updated_at, expires_at)
       select gen_random_uuid(), $1, case when i % 5 = 0 then 'temporary' else 'permanent' end, i % 3 = 0, 1, $2::int + i,
              case when i % 400 = 1 then $4 else $5::text[] end,
              ${createdAt}, now(), now() + case when i % 2 = 0 then interval '1 hour' else interval '-1 hour' end
         from generate_series(0, $3::int - 1) i`,
      next,
      count,
      [indexes.rare],
      wide ?? [indexes.early],
    );
    next += count;
  }

  /** What the list holds, in its order, looked up in no other way than row by row. */
  async function reference(filters: Record<string, string>): Promise<number[]> {
    const rows = await query<Row>(
      `select size::int as n, status, context_index,
              status = 'permanent' or status = 'temporary' and (expires_at > now() or writing) as live
         from token_vault.token where profile_id = $1 order by created_at desc, token_id desc`,
    );
    const context = filters['filters[context]'];
    const hashes = {
      'box a': indexes.a,
      'box b': indexes.b,
      rare: indexes.rare,
      early: indexes.early,
      'box*': indexes.shared,
    };
    const status = filters['filters[status]'];
    return rows
      .filter((row) => row.live && (status === undefined || row.status === status))
      .filter((row) => context === undefined || row.context_index.includes(hashes[context as keyof typeof hashes]))
      .map(({ n }) => n);
  }

  async function page(filters: Record<string, string>, number: number, perPage: number) {
    const params = new URLSearchParams({ ...filters, page: String(number), perPage: String(perPage) });
    const { status, body } = await server.get(`/data-token/list-data-tokens?${params}`, ada);
    expect(status).toBe(200);
    return { count: body.meta.count as number, shown: body.items.map(({ size }: { size: number }) => size) };
  }

  const everyFilter = [
    {},
    { 'filters[status]': 'permanent' },
    { 'filters[status]': 'temporary' },
    { 'filters[context]': 'box*' },
    { 'filters[context]': 'box a' },
    { 'filters[context]': 'box b', 'filters[status]': 'temporary' },
    { 'filters[context]': 'early' },
    { 'filters[context]': 'rare' },
    { 'filters[context]': 'nowhere' },
  ];

  async function expectPages(): Promise<void> {
    for (const filters of everyFilter) {
      const all = await reference(filters);
      const pages = Math.ceil(all.length / 100) + 1;
      // Of the long lists that differ little from the whole one some pages are enough.
      const step = all.length > 2000 && Object.keys(filters).length > 0 ? 11 : 1;
      for (let number = 1; number <= pages; number += step) {
        expect({ filters, number, ...(await page(filters, number, 100)) }).toEqual({
          filters,
          number,
          count: all.length,
          shown: all.slice((number - 1) * 100, number * 100),
        });
      }
      for (const perPage of [1, 7, 25]) {
        const number = Math.ceil(all.length / perPage / 2) || 1;
        const { shown } = await page(filters, number, perPage);
        expect(shown).toEqual(all.slice((number - 1) * perPage, number * perPage));
      }
    }
  }

  /** The counts as they would be made anew from the rows, in the ranges that there are. */
  async function expectCounts(): Promise<void> {
    const recounted = await query(
      `select v as value, token_vault.range_of(profile_id, created_at)::text as start,
              count(*) filter (where status = 'permanent')::int as permanent,
              count(*) filter (where status = 'temporary')::int as temporary
         from token_vault.token t, token_vault.counted_values(t) v
        where profile_id = $1 and status in ('permanent', 'temporary') group by 1, 2 order by 1, 2`,
    );
    const kept = await query(
      `select value, start::text, permanent, temporary from token_vault.token_range
        where profile_id = $1 and (permanent <> 0 or temporary <> 0) order by 1, 2`,
    );
    expect(kept).toEqual(recounted);
  }

  const rangeSizes = async () =>
    (
      await query<{ n: number }>(
        `select permanent + temporary as n from token_vault.token_range where profile_id = $1 and value = '' order by start`,
      )
    ).map(({ n }) => n);

  test('is paged like its rows while it grows at its end, many in a second, some at the same moment', async () => {
    for (let batch = 0; batch < 24; batch++) {
      await add(97, `timestamptz '2026-03-01 23:59:58Z' + (${batch} * 97 + i) / 7 * interval '3 ms'`);
      if (batch % 8 === 7) await expectCounts();
    }
    expect(await rangeSizes()).toEqual([1071, 1064, 193]);
    await expectPages();
  });

  test('and by hours and years, with another context from a time on', async () => {
    for (let batch = 0; batch < 20; batch++) {
      await add(50, `timestamptz '2026-03-02 Z' + (${batch} * 50 + i) * interval '40 min'`, 'b');
    }
    await expectCounts();
    await expectPages();
  });

  test('and when many come with earlier times, in no order, and more of one moment than a range holds', async () => {
    await add(5000, `timestamptz '2024-01-01 Z' + (i * 7919 % 5000) * interval '61.7 s'`, 'early');
    await add(4100, `timestamptz '2026-03-01 23:59:58.5Z'`, 'b');
    await expectCounts();
    const sizes = await rangeSizes();
    expect(sizes.length).toBeGreaterThan(7);
    expect(sizes.filter((n) => n > 2000)).toEqual([expect.any(Number)]);
    await expectPages();
  });

  test('and when tokens expire, are deleted, become permanent and get another context', async () => {
    await query(
      `update token_vault.token set status = 'permanent' where profile_id = $1 and status = 'temporary' and size % 3 = 0`,
    );
    await query(
      `update token_vault.token set status = 'expired'
        where profile_id = $1 and status = 'temporary' and size % 4 = 1`,
    );
    await query(`update token_vault.token set context_index = $2 where profile_id = $1 and size % 11 = 0`, [
      indexes.b,
      indexes.shared,
    ]);
    // Two whole ranges and more lose every token.
    await query(`update token_vault.token set status = 'deleted' where profile_id = $1 and size between 100 and 2500`);
    await query(`update token_vault.token set updated_at = now() where profile_id = $1`);
    await expectCounts();
    await expectPages();
    await add(300, `timestamptz '2026-06-01 Z' + i * interval '1 s'`);
    await expectCounts();
    await expectPages();
  });

  test('and shows of one moment what it counts, while tokens come and go', async () => {
    let ended = false;
    const writing = (async () => {
      for (let n = 0; !ended; n++) {
        await add(1 + (n % 7), `timestamptz '2026-07-01 Z' + ${n} * interval '1 s'`);
        await query(
          `update token_vault.token set status = 'deleted' where token_id in (
             select token_id from token_vault.token where profile_id = $1 and status in ('permanent', 'temporary')
              order by created_at limit 5)`,
        );
      }
    })();
    try {
      for (let round = 0; round < 60; round++) {
        const { count } = await page({}, 1, 1);
        const last = Math.ceil(count / 10);
        for (const number of [last - 1, last, last + 1]) {
          const found = await page({}, number, 10);
          expect(found.shown).toHaveLength(Math.min(10, Math.max(0, found.count - (number - 1) * 10)));
        }
      }
    } finally {
      ended = true;
      await writing;
    }
    await expectCounts();
  });

  test('keeps nothing of a value that nobody has any more', async () => {
    await query(`update token_vault.token set context_index = '{}' where profile_id = $1 and context_index @> $2`, [
      indexes.early,
    ]);
    expect(
      await query('select from token_vault.token_range where profile_id = $1 and value = $2', indexes.early),
    ).toEqual([]);
  });
});
