import type { PolicyEvent } from '@symbolon/contracts';
import { uuid7 } from '@symbolon/crypto';
import { ManualClock, Streams } from '@symbolon/kernel';
import { Deadlines } from '@symbolon/projection';
import { type TestProfile, type TestServer, until } from '@symbolon/testing';
import type { SimulatedDevices } from '../../test/simulated-devices';
import { startVault, type TestVault } from '../../test/test-vault';

const store = '/data-token/batch';
const request = '/data-token/batch-request';

describe('a batch', () => {
  const clock = new ManualClock(Date.now());
  let vault: TestVault;
  let server: TestServer;
  let devices: SimulatedDevices;
  let deadlines: Deadlines;
  let ada: TestProfile;

  beforeAll(async () => {
    vault = await startVault({ clock });
    ({ server, devices } = vault);
    deadlines = server.served.app.get(Deadlines);
  });
  beforeEach(async () => {
    devices.behaviour = 'honest';
    ada = await server.profile();
    await devices.add(ada.profileId);
  });
  afterAll(() => vault.stop());

  const values = (count: number) =>
    Array.from({ length: count }, (_, n) => ({ data: Buffer.from(`value ${n}`).toString('base64'), context: `c${n}` }));
  const post = (path: string, json: object, more: object = {}) =>
    server.post(path, { token: ada.token, wait: 20, json, ...more });
  async function rows(sql: string, ...params: unknown[]): Promise<any[]> {
    return (await server.database.pool.query(sql, params)).rows;
  }
  const left = () => rows('select 1 from token_vault.batch_item union all select 1 from token_vault.pending_batch');
  const spooled = () => rows('select 1 from token_vault.parcel where in_transit and profile_id = $1', ada.profileId);

  test('stores many values in one command, each under a token of its own, in order', async () => {
    const { status, body } = await post(store, { items: values(40) });
    expect([status, body.status, body.type]).toEqual([200, 'succeeded', 'data-token/batch']);
    const { items } = body.body;
    expect(items).toHaveLength(40);
    expect(items[7]).toEqual({
      status: 'succeeded',
      reason: null,
      token: expect.stringMatching(/^dt_[\w-]{43}$/),
      version: 1,
      size: 7,
    });
    expect(new Set(items.map(({ token }: { token: string }) => token)).size).toBe(40);
    const listed = await server.get(`/data-token/list-data-tokens?filters[token]=${items[31].token}`, ada);
    expect(listed.body.items[0]).toMatchObject({ context: 'c31', status: 'permanent', size: 8 });
    expect((await server.get('/data-token/list-data-tokens', ada)).body.meta.count).toBe(40);
    expect(await left()).toEqual([]);
    expect(await spooled()).toEqual([]);
  });

  test('requests many tokens in one command; what cannot be had does not keep the others', async () => {
    const stored = (await post(store, { items: values(3) })).body.body.items.map((item: any) => item.token);
    const { body } = await post(request, { tokens: [stored[0], 'dt_unknown', stored[2]] });
    expect(body).toMatchObject({ status: 'succeeded', type: 'data-token/batch-request' });
    const [first, second, third] = body.body.items;
    expect(second).toMatchObject({ status: 'rejected', reason: 'data_token.not_found', token: null });
    expect(first).toMatchObject({ status: 'succeeded', token: stored[0], outputType: 0, size: 7 });
    for (const [item, text] of [
      [first, 'value 0'],
      [third, 'value 2'],
    ]) {
      expect(await (await fetch(item.downloadUrl)).text()).toBe(text);
    }
    expect((await post(request, { tokens: ['dt_a', 'dt_b'] })).body).toMatchObject({
      status: 'rejected',
      reason: 'data_token.not_found',
    });
    expect(await left()).toEqual([]);
  });

  test('an item that no device takes fails alone, once none takes any other either', async () => {
    devices.behaviour = 'silent';
    const { body } = await post(store, { items: values(4) }, { wait: 0 });
    const tokens = () =>
      rows(`select token_id from token_vault.token where reserved_by = $1 order by 1`, body.commandId);
    await until(async () => (await tokens()).length === 4, 'four tokens');
    const [first, second] = await rows(
      `select data from es.event where type = 'data_token.data_exchanged' and data->>'profileId' = $1`,
      ada.profileId,
    );
    const ends = () =>
      rows('select 1 from token_vault.batch_item where command_id = $1 and ended is not null', body.commandId);
    await devices.acknowledge(first.data);
    await until(async () => (await ends()).length === 1, 'one end');
    clock.advance(50);
    await devices.acknowledge(second.data);
    await until(async () => (await ends()).length === 2, 'two ends');
    clock.advance(20);
    await deadlines.runDue();
    expect(await ends()).toHaveLength(2);
    clock.advance(41);
    await deadlines.runDue();
    const ended = await server.get(`/request-status/${body.commandId}`, { token: ada.token, wait: 20 });
    expect(ended.body.status).toBe('succeeded');
    const reasons = ended.body.body.items.map(({ reason }: { reason: string | null }) => reason);
    expect(reasons.sort()).toEqual([null, null, 'storage.no_device_answered', 'storage.no_device_answered']);
    expect(await spooled()).toEqual([]);
    clock.advance(300);
    await until(
      async () => (
        await deadlines.runDue(),
        (await server.get('/data-token/list-data-tokens', ada)).body.meta.count === 2
      ),
      'two tokens',
    );
  });

  test('without a storage device nothing is stored', async () => {
    ada = await server.profile();
    expect((await post(store, { items: values(2) })).body).toMatchObject({
      status: 'rejected',
      reason: 'storage.no_devices',
    });
    await until(async () => (await spooled()).length === 0, 'no parcel in transit');
  });

  test('the same Idempotency-Key stores nothing twice', async () => {
    const headers = { 'idempotency-key': `batch ${ada.profileId}` };
    const first = await post(store, { items: values(2) }, { headers });
    const again = await post(store, { items: JSON.stringify(values(2)) }, { headers });
    expect(again.body.commandId).toBe(first.body.commandId);
    expect(await post(store, { items: values(3) }, { headers })).toMatchObject({
      status: 422,
      body: { code: 'idempotency.key_reused' },
    });
    expect((await server.get('/data-token/list-data-tokens', ada)).body.meta.count).toBe(2);
  });

  test('says which item is wrong', async () => {
    const { status, body } = await post(store, {
      context: 'a',
      items: [{ data: 'AAAA' }, { data: '*' }, {}, { data: 'AAAA', context: '' }],
    });
    expect([status, Object.keys(body.errors)]).toEqual([422, ['items.1.data', 'items.2.data', 'items.3.context']]);
    for (const json of [{}, { items: [] }, { items: [1] }, { items: values(1001) }]) {
      expect((await post(store, json)).body.errors).toHaveProperty('items');
    }
    for (const json of [{}, { tokens: [] }, { tokens: [''] }]) {
      expect((await post(request, json)).body.errors).toHaveProperty('tokens');
    }
    const large = Buffer.alloc(65_537).toString('base64');
    expect((await post(store, { context: 'a', items: [{ data: large }] })).status).toBe(413);
    expect((await post(store, { context: 'a', items: [{ data: large.slice(0, -4) }] })).body.status).toBe('succeeded');
  });

  test.each([
    ['data_token.space_reserved', store],
    ['data_token.data_exchanged', store],
    ['data_token.data_requested', request],
  ])('is refused as a whole where an active policy names %s', async (policyEventId, path) => {
    const json = path === store ? { items: values(2) } : { tokens: ['dt_a'] };
    const id = uuid7();
    const events: PolicyEvent[] = [
      {
        type: 'policy.registered',
        version: 1,
        data: {
          id,
          profileId: ada.profileId,
          name: 'p',
          policyTemplateId: 'data_change',
          applyingEventIds: [policyEventId],
          votingConfigurationId: null,
        },
        personal: { subject: ada.profileId, fields: { configuration: {} } },
      },
      { type: 'policy.activated', version: 1, data: { id } },
    ];
    const actor = { profileId: ada.profileId, kind: 'user' } as const;
    const cause = { commandId: null, correlationId: id, causationId: id, actor };
    await server.served.app.get(Streams).append(`policies-${ada.profileId}`, 'none', events, cause);
    expect(await post(path, json)).toMatchObject({ status: 409, body: { code: 'policy.asks_each' } });
    expect(await spooled()).toEqual([]);
  });
});
