import type { TestProfile, TestServer } from '@symbolon/testing';
import type { SimulatedDevices } from '../../test/simulated-devices';
import { startVault, type TestVault } from '../../test/test-vault';
import { periodOf } from './periods';

const path = '/data-token/transaction-count-statistics';

describe('counting transactions', () => {
  let vault: TestVault;
  let server: TestServer;
  let devices: SimulatedDevices;
  let ada: TestProfile;
  let eve: TestProfile;
  const tokens: string[] = [];
  const begun = new Date(Math.floor(Date.now() / 1000) * 1000);

  beforeAll(async () => {
    vault = await startVault();
    ({ server, devices } = vault);
    ada = await server.profile();
    eve = await server.profile();
    await devices.add(ada.profileId);
    for (const context of ['a', 'b']) {
      const { commandId } = await server.done('/data-token/reserve-token-space', { context }, ada.token);
      const { body } = await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, ada);
      tokens.push(body.token);
    }
    const [first, second] = tokens as [string, string];
    const post = (name: string, json: object) =>
      server.post(`/data-token/${name}`, { token: ada.token, wait: 20, json });
    await post('exchange-data-for-token', { temporaryTokenSpace: first, data: 'AAAA' });
    await post('exchange-data-for-token', { temporaryTokenSpace: first, data: 'AAAA' }); // rejected
    const { body } = await post('request-data', { token: first });
    await (await fetch(body.body.downloadUrl)).arrayBuffer();
    devices.behaviour = 'missing';
    await post('request-data', { token: first }); // rejected
    devices.behaviour = 'honest';
    await post('update-data', { token: first, data: 'AAAA' });
    await post('update-data', { token: first, fileName: 'a' });
    await post('update-data', { token: second, fileName: 'a' }); // rejected
    await post('configure-file-meta', { token: first, fileName: 'b', extension: '' });
    await post('delete-data', { token: second });
  });
  afterAll(() => vault.stop());

  async function count(query: Record<string, string> = {}, profile = ada) {
    return server.get(`${path}?${new URLSearchParams(query)}`, profile);
  }
  const counted = { reserved: 2, exchanged: 1, requested: 1, downloaded: 1, updated: 2, deleted: 1, total: 8 };
  const empty = { reserved: 0, exchanged: 0, requested: 0, downloaded: 0, updated: 0, deleted: 0, total: 0 };
  const sum = (items: Array<Record<string, number>>) =>
    Object.fromEntries(Object.keys(empty).map((kind) => [kind, items.reduce((all, item) => all + item[kind]!, 0)]));

  test('counts by day over the last 30 days, without gaps, ascending', async () => {
    const { status, body } = await count();
    expect(status).toBe(200);
    expect(body.meta).toEqual({ count: 31, from: expect.any(String), to: expect.any(String), interval: 'day' });
    expect(Date.parse(body.meta.to) - Date.parse(body.meta.from)).toBe(30 * 86_400_000);
    expect(body.items).toHaveLength(31);
    const periods = body.items.map(({ period }: { period: string }) => period);
    expect(periods).toEqual([...periods].sort());
    expect(periods[0]).toMatch(/^\d{4}-\d\d-\d\dT00:00:00\+00:00$/);
    expect(Object.keys(body.items[0])).toEqual(['period', ...Object.keys(empty)]);
    expect(body.items[0]).toEqual({ period: periods[0], ...empty });
    expect(sum(body.items)).toEqual(counted);
  });

  test('counts by hour and by month', async () => {
    const from = begun.toISOString();
    const hours = await count({ interval: 'hour', from });
    expect(hours.body.items[0].period).toMatch(/T\d\d:00:00\+00:00$/);
    expect(sum(hours.body.items)).toEqual(counted);
    const months = await count({ interval: 'month', from: '2025-01-01T00:00:00Z' });
    expect(months.body.items.map(({ period }: { period: string }) => period).slice(0, 2)).toEqual([
      '2025-01-01T00:00:00+00:00',
      '2025-02-01T00:00:00+00:00',
    ]);
    expect(sum(months.body.items)).toEqual(counted);
    expect(months.body.meta.interval).toBe('month');
  });

  test('counts what lies between the two times, also within one hour', async () => {
    const before = new Date(+begun - 1000).toISOString();
    expect(sum((await count({ to: before })).body.items)).toEqual(empty);
    const later = new Date(+begun + 3_600_000);
    expect(sum((await count({ from: begun.toISOString(), to: later.toISOString() })).body.items)).toEqual(counted);
    const far = { from: later.toISOString(), to: new Date(+later + 86_400_000 * 2).toISOString() };
    expect(sum((await count(far)).body.items)).toEqual(empty);
  });

  test('counts to the millisecond, whichever part of an hour the window takes', async () => {
    const grace = await server.profile();
    const { rows } = await server.database.pool.query<{ at: Date; kind: 'reserved' | 'exchanged' }>(
      `insert into token_vault.operation (event_id, profile_id, token_id, kind, at)
       select gen_random_uuid(), $1, gen_random_uuid(), case when n % 3 = 0 then 'exchanged' else 'reserved' end,
              timestamptz '2026-03-31 21:59:59.998Z' + (n * n % 997) * interval '17.317 s' + n % 4 * interval '1 ms'
         from generate_series(0, 1999) n returning at, kind`,
      [grace.profileId],
    );
    const times = [
      '2026-03-31T21:00:00.000Z',
      '2026-03-31T21:59:59.998Z',
      '2026-03-31T22:00:00.000Z',
      '2026-03-31T22:00:00.001Z',
      '2026-03-31T22:29:59.999Z',
      '2026-04-01T00:59:59.999Z',
      '2026-04-01T01:13:30.500Z',
      '2026-04-02T00:00:00.000Z',
    ];
    for (const interval of ['hour', 'day', 'month'] as const) {
      for (const [index, from] of times.entries()) {
        for (const to of times.slice(index)) {
          const { items } = (await count({ from, to, interval }, grace)).body;
          const within = rows.filter(({ at }) => at >= new Date(from) && at <= new Date(to));
          const expected = items.map(({ period }: { period: string }) => {
            const of = within.filter(({ at }) => +periodOf(at, interval) === Date.parse(period));
            const exchanged = of.filter(({ kind }) => kind === 'exchanged').length;
            return { period, ...empty, exchanged, reserved: of.length - exchanged, total: of.length };
          });
          expect({ from, to, items }).toEqual({ from, to, items: expected });
          expect(items.reduce((all: number, { total }: { total: number }) => all + total, 0)).toBe(within.length);
        }
      }
    }
  });

  test('counts one token alone', async () => {
    const { body } = await count({ token: tokens[0]! });
    expect(sum(body.items)).toEqual({ ...counted, reserved: 1, deleted: 0, total: 6 });
  });

  test('knows only live tokens of the caller', async () => {
    for (const [token, profile] of [
      ['dt_unknown', ada],
      [tokens[1]!, ada],
      [tokens[0]!, eve],
    ] as const) {
      expect(await count({ token }, profile)).toMatchObject({ status: 404, body: { code: 'data_token.not_found' } });
    }
    expect(sum((await count({}, eve)).body.items)).toEqual(empty);
  });

  test('refuses what is no time, no interval, turned around, or too long', async () => {
    for (const [query, field] of [
      [{ from: 'yesterday' }, 'from'],
      [{ to: '2026-13-01T00:00:00Z' }, 'to'],
      [{ interval: 'week' }, 'interval'],
      [{ from: '2026-02-02T00:00:00Z', to: '2026-02-01T00:00:00Z' }, 'from'],
      [{ from: '2020-01-01T00:00:00Z', to: '2026-01-01T00:00:00Z' }, 'to'],
    ] as const) {
      const { status, body } = await count(query);
      expect([status, body.code, Object.keys(body.errors)]).toEqual([422, 'validation_failed', [field]]);
    }
    const thousand = { from: '2026-01-01T00:00:00Z', to: '2026-02-11T15:59:59Z', interval: 'hour' };
    expect((await count(thousand)).body.items).toHaveLength(1000);
    expect((await count({ ...thousand, to: '2026-02-11T16:00:00Z' })).status).toBe(422);
  });
});
