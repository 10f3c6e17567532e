import type { TestProfile, TestServer } from '@symbolon/testing';
import type { SimulatedDevices } from '../../test/simulated-devices';
import { startVault, type TestVault } from '../../test/test-vault';

describe('reserving a token and exchanging data for it', () => {
  let vault: TestVault;
  let server: TestServer;
  let devices: SimulatedDevices;
  let ada: TestProfile;
  let eve: TestProfile;

  beforeAll(async () => {
    vault = await startVault();
    ({ server, devices } = vault);
    ada = await server.profile();
    eve = await server.profile();
    await devices.add(ada.profileId);
  });
  afterAll(() => vault.stop());
  beforeEach(() => {
    devices.behaviour = 'honest';
  });

  async function reserve(profile = ada, fields: object = {}) {
    const { commandId } = await server.done(
      '/data-token/reserve-token-space',
      { context: 'a', ...fields },
      profile.token,
    );
    const { body } = await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, profile);
    return { commandId, ...body };
  }
  const exchange = (token: string, bytes: Uint8Array, profile = ada) =>
    server.post('/data-token/exchange-data-for-token', {
      token: profile.token,
      wait: 20,
      json: { temporaryTokenSpace: token, data: Buffer.from(bytes).toString('base64') },
    });

  test('a reservation answers its end, a token and an upload URL', async () => {
    const started = Date.now();
    const { body, commandId } = await server.done(
      '/data-token/reserve-token-space',
      { context: 'a', ttl: 7 },
      ada.token,
    );
    expect(body).toEqual({ expiresAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/) });
    expect(Math.abs(Date.parse(body.expiresAt) - started - 7 * 60_000)).toBeLessThan(20_000);
    const answer = await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, ada);
    expect(answer.status).toBe(200);
    const { token, stream, streamServerId, streamServerPort, streamAuthenticationToken, expiresAt } = answer.body;
    expect(token).toMatch(/^dt_[\w-]{43}$/);
    expect(streamAuthenticationToken).toMatch(/^[\w-]{43}$/);
    expect(stream).toBe(`${server.url}/upstream/?auth=${streamAuthenticationToken}`);
    expect(`${streamServerId}:${streamServerPort}`).toBe(server.url);
    expect(expiresAt).toBe(body.expiresAt);
    const again = await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, ada);
    expect(again.body.token).toBe(token);
    expect(again.body.streamAuthenticationToken).not.toBe(streamAuthenticationToken);
    expect((await server.post(stream, { body: 'x' })).status).toBe(401);
  });

  test('a reservation is nobody else’s', async () => {
    const { commandId } = await reserve();
    expect(await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, eve)).toMatchObject({
      status: 404,
      body: { code: 'not_found' },
    });
    for (const id of ['x', ada.profileId]) {
      expect((await server.get(`/data-token/retrieve-temporary-data-token/${id}`, ada)).status).toBe(404);
    }
  });

  test('names the fields that are wrong', async () => {
    const refused = await server.post('/data-token/reserve-token-space', {
      token: ada.token,
      json: {
        context: '',
        ttl: 61,
        meta: { file: { fileName: 'x'.repeat(256) }, data: { type: '' }, information_security_risk: { label: 'a' } },
      },
    });
    expect(refused.status).toBe(422);
    expect(Object.keys(refused.body.errors).sort()).toEqual([
      'context',
      'meta.data',
      'meta.file.fileName',
      'meta.information_security_risk.classification',
      'meta.information_security_risk.handling',
      'ttl',
    ]);
    for (const meta of ['[]', 'text', { data: { text: 'x'.repeat(16_384) } }]) {
      const { status } = await server.post('/data-token/reserve-token-space', {
        token: ada.token,
        json: { context: 'a', meta },
      });
      expect(status).toBe(422);
    }
  });

  test('the same Idempotency-Key repeats the reservation, whatever the encoding', async () => {
    const headers = { 'idempotency-key': 'reserve-1' };
    const first = await server.post('/data-token/reserve-token-space', {
      token: ada.token,
      headers,
      json: { context: 'a', ttl: 3, meta: { file: { fileName: 'a.txt' } } },
    });
    const second = await server.post('/data-token/reserve-token-space', {
      token: ada.token,
      headers,
      form: { context: 'a', ttl: '3', 'meta[file][fileName]': 'a.txt' },
    });
    expect(second.body.commandId).toBe(first.body.commandId);
  });

  test('exchanges up to 262,144 bytes, once', async () => {
    const { token } = await reserve();
    const answer = await exchange(token, Buffer.alloc(262_144, 7));
    expect(answer).toMatchObject({
      status: 200,
      body: {
        status: 'succeeded',
        type: 'data-token/exchange-data-for-token',
        body: { token, version: 1, size: 262_144 },
      },
    });
    expect((await exchange(token, Buffer.alloc(3))).body.reason).toBe('data_token.already_exchanged');
    const { token: other } = await reserve();
    expect(await exchange(other, Buffer.alloc(262_145))).toMatchObject({
      status: 413,
      body: { code: 'payload_too_large' },
    });
  });

  test('an exchanged reservation is retrieved no more', async () => {
    const { token, commandId } = await reserve();
    await exchange(token, Buffer.from('abc'));
    expect((await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, ada)).status).toBe(404);
  });

  test('refuses unknown and foreign tokens alike', async () => {
    const { token } = await reserve();
    expect((await exchange(token, Buffer.from('abc'), eve)).body.reason).toBe('data_token.not_found');
    expect((await exchange(`dt_${'A'.repeat(43)}`, Buffer.from('abc'))).body.reason).toBe('data_token.not_found');
    expect((await exchange(token, Buffer.from('abc'))).body.status).toBe('succeeded');
  });

  test('refuses without a storage device, and the reservation stays', async () => {
    const bob = await server.profile();
    const { token, commandId } = await reserve(bob);
    expect((await exchange(token, Buffer.from('abc'), bob)).body.reason).toBe('storage.no_devices');
    expect((await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, bob)).status).toBe(200);
    await devices.add(bob.profileId);
    expect((await exchange(token, Buffer.from('abc'), bob)).body.status).toBe('succeeded');
  });

  test('of twenty exchanges of one reservation one wins', async () => {
    const { token } = await reserve();
    const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => exchange(token, Buffer.from([index]))));
    const reasons = answers.map(({ body }) => body.reason ?? body.status);
    expect(reasons.filter((reason) => reason === 'succeeded')).toHaveLength(1);
    for (const reason of reasons) {
      expect(['succeeded', 'data_token.busy', 'data_token.already_exchanged']).toContain(reason);
    }
    const rows = await server.database.pool.query(
      `select 1 from token_vault.parcel p join token_vault.token t using (token_id)
        join keys.token_key k on k.parcel_id = p.parcel_id where t.profile_id = $1 and t.status = 'permanent'
        group by t.token_id having count(*) > 1`,
      [ada.profileId],
    );
    expect(rows.rowCount).toBe(0);
  });

  test('an Idempotency-Key repeats an exchange without sealing again', async () => {
    const { token } = await reserve();
    const headers = { 'idempotency-key': 'exchange-1' };
    const send = (data: string) =>
      server.post('/data-token/exchange-data-for-token', {
        token: ada.token,
        wait: 20,
        headers,
        json: { temporaryTokenSpace: token, data },
      });
    const first = await send('_-8=');
    const second = await send('/+8');
    expect(second.body).toEqual(first.body);
    expect((await send('AAAA')).body.code).toBe('idempotency.key_reused');
  });

  test('an upload goes to the token, is spent once complete, and never shows its bytes', async () => {
    const { token, stream } = await reserve();
    const bytes = Buffer.alloc(1_000_003, 'plaintext that must not be stored ');
    const answer = await server.call('PUT', stream, { body: bytes, wait: 20 });
    expect(answer).toMatchObject({
      status: 200,
      body: { type: 'upstream', status: 'succeeded', body: { token, version: 1, size: 1_000_003 } },
    });
    expect((await server.get(`/request-status/${answer.body.commandId}`, ada)).status).toBe(200);
    expect((await server.get(`/request-status/${answer.body.commandId}`)).status).toBe(401);
    expect((await server.get(`/request-status/${answer.body.commandId}`, eve)).status).toBe(404);
    expect(await server.post(stream, { body: bytes })).toMatchObject({ status: 401, body: { code: 'unauthorized' } });
    for (const held of devices.held.values()) expect(held.includes('plaintext that must not')).toBe(false);
  });

  test('an empty upload is refused and leaves the auth usable', async () => {
    const { stream } = await reserve();
    expect((await server.post(stream, { body: new Uint8Array(0) })).status).toBe(422);
    expect((await server.post(stream, { body: 'x', wait: 20 })).body.status).toBe('succeeded');
  });

  test('the log and the database hold neither the token nor the payload', async () => {
    const { token } = await reserve(ada, { context: 'very private context' });
    await exchange(token, Buffer.from('a payload of great privacy'));
    const tables = await server.database.pool.query<{ name: string }>(
      `select format('%I.%I', schemaname, tablename) as name from pg_tables
        where schemaname not in ('pg_catalog', 'information_schema')`,
    );
    expect(tables.rowCount).toBeGreaterThan(10);
    for (const { name } of tables.rows) {
      const { rows } = await server.database.pool.query(
        `select 1 from ${name} as t where t::text like any($1) limit 1`,
        [[`%${token}%`, '%great privacy%', '%very private context%']],
      );
      expect([name, rows]).toEqual([name, []]);
    }
  });
});
