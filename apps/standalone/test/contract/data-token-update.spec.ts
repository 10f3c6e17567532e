import { randomBytes } from '@symbolon/crypto';
import { TestDevice, type TestProfile, TestServer, until } from '@symbolon/testing';

let server: TestServer;
let ada: TestProfile;
let eve: TestProfile;
let device: TestDevice;

beforeAll(async () => {
  server = await TestServer.start();
  ada = await server.profile();
  eve = await server.profile();
  device = await TestDevice.of(server, ada);
  await device.connect();
});

afterAll(async () => {
  await device.leave();
  await server.stop();
});

const updatePath = '/data-token/update-data';
const first = Buffer.from('the first version of it');
const second = Buffer.from('the second');

async function stored(bytes = first, fields: object = {}): Promise<string> {
  const { commandId } = await server.done(
    '/data-token/reserve-token-space',
    { context: 'tests', ...fields },
    ada.token,
  );
  const { body } = await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, ada);
  const data = bytes.toString('base64');
  await server.done('/data-token/exchange-data-for-token', { temporaryTokenSpace: body.token, data }, ada.token);
  return body.token;
}
const update = (json: object, { token } = ada) => server.post(updatePath, { json, token, wait: 30 });
const data = second.toString('base64');
async function fetched(token: string): Promise<Buffer> {
  const { body } = await server.done('/data-token/request-data', { token }, ada.token);
  return Buffer.from(await (await fetch(body.downloadUrl)).arrayBuffer());
}
const item = async (token: string) =>
  (await server.get(`/data-token/list-data-tokens?filters[token]=${token}`, ada)).body.items[0];
async function eventsOf(commandId: string): Promise<string[]> {
  const { rows } = await server.database.pool.query(
    `select type from es.event where meta->>'commandId' = $1 order by position`,
    [commandId],
  );
  return rows.map(({ type }) => type);
}

describe('32 Update data token', () => {
  test('the device gets a new version of the same object, and is told to delete the old one', async () => {
    const token = await stored();
    const { status, headers, body } = await update({ dataToken: token, data });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      type: 'data-token/update-data',
      status: 'succeeded',
      command_status: 2,
      body: { token, version: 2 },
    });
    expect(headers.get('x-dpt-cab-id')).toBe(body.commandId);
    expect(await fetched(token)).toEqual(second);
    expect(await item(token)).toMatchObject({ version: 2, size: second.length, status: 'permanent' });
    await until(
      async () => (await eventsOf(body.commandId)).includes('storage.delete_acknowledged'),
      'the old version to be deleted at the device',
    );
    const types = await eventsOf(body.commandId);
    expect(types.filter((type) => !type.startsWith('command.'))).toEqual([
      'data_token.data_replaced',
      'storage.write_dispatched',
      'storage.write_acknowledged',
      'data_token.version_confirmed',
      'storage.delete_dispatched',
      'storage.delete_acknowledged',
    ]);
    const written = device.taken.filter(({ envelope }) => envelope.type === 'storage.write').at(-1)!.content;
    const deleted = device.taken.filter(({ envelope }) => envelope.type === 'storage.delete').at(-1)!.content;
    expect(written.version).toBe(2);
    expect(deleted).toEqual({ objectId: written.objectId, upToVersion: 1 });
    expect(device.objects.get(written.objectId)?.map(({ version }) => version)).toEqual([2]);
    expect(await fetched(token)).toEqual(second);
  });

  test('each section has its event, the others stay', async () => {
    const risk = { classification: 'secret', label: 'l', handling: 'h' };
    const token = await stored(first, { meta: { file: { fileName: 'a', path: '/p' }, data: { type: 't' } } });
    const { body } = await update({
      token,
      data,
      meta: { information_security_risk: risk },
      fileName: 'b',
      context: 'moved',
    });
    expect(await item(token)).toMatchObject({
      context: 'moved',
      meta: { file: { fileName: 'b', path: '/p' }, data: { type: 't' }, information_security_risk: risk },
      version: 2,
    });
    const types = await eventsOf(body.commandId);
    expect(types).toEqual(
      expect.arrayContaining(['data_token.file_meta_configured', 'data_token.security_meta_configured']),
    );
    expect(types).not.toContain('data_token.data_meta_configured');
    const alone = await update({ token, meta: { data: { type: 'u' } } });
    expect(alone.body.body).toEqual({ token, version: 2 });
    expect(await eventsOf(alone.body.commandId)).toContain('data_token.data_meta_configured');
  });

  test('a large payload is replaced as well, by claim check', async () => {
    const token = await stored();
    const bytes = randomBytes(200_000);
    expect((await update({ token, data: bytes.toString('base64') })).body.status).toBe('succeeded');
    expect(await fetched(token)).toEqual(bytes);
  });

  test('refusals', async () => {
    const token = await stored();
    const reason = async (json: object, profile = ada) => (await update(json, profile)).body.reason;
    expect(await reason({ token: 'dt_x', data })).toBe('data_token.not_found');
    expect(await reason({ token, data }, eve)).toBe('data_token.not_found');
    const { commandId } = await server.done('/data-token/reserve-token-space', { context: 'a' }, ada.token);
    const { body } = await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, ada);
    expect(await reason({ token: body.token, data })).toBe('data_token.not_permanent');
    expect((await update({ token })).status).toBe(422);
    expect((await update({ data })).status).toBe(422);
    const tooLarge = Buffer.alloc(262_145).toString('base64');
    expect(await update({ token, data: tooLarge })).toMatchObject({ status: 413, body: { code: 'payload_too_large' } });
    expect(await fetched(token)).toEqual(first);
  });

  test('one write at a time', async () => {
    const token = await stored();
    const usual = device.behaviour['storage.write']!;
    const { envelope, content } = await new Promise<any>((resolve) => {
      device.behaviour['storage.write'] = (taken) => {
        device.behaviour['storage.write'] = usual;
        resolve(taken);
      };
      void server.post(updatePath, { json: { token, data }, token: ada.token });
    });
    expect((await update({ token, data })).body.reason).toBe('data_token.busy');
    const deletion = await server.post('/data-token/delete-data', { json: { token }, token: ada.token, wait: 30 });
    expect(deletion.body.reason).toBe('data_token.busy');
    expect(await fetched(token)).toEqual(first);
    const { objectId, version, sha256, payload } = content;
    device.objects.set(objectId, [
      ...(device.objects.get(objectId) ?? []),
      { version, bytes: Buffer.from(payload, 'base64') },
    ]);
    const storedAt = new Date().toISOString().replace('Z', '+00:00');
    device.say('storage.write_ack', { objectId, version, sha256, storedAt }, envelope.id);
    await until(async () => (await item(token)).version === 2, 'the second version');
    expect(await fetched(token)).toEqual(second);
  });
});

describe('34 Get data token transaction count statistics', () => {
  const path = '/data-token/transaction-count-statistics';

  test('counts operations that succeeded, of all tokens and of one', async () => {
    const grace = await server.profile();
    const empty = await server.get(path, grace);
    expect(empty.body.items.every(({ total }: { total: number }) => total === 0)).toBe(true);
    const token = await stored();
    await update({ token, data });
    await fetched(token);
    const { status, body } = await server.get(`${path}?token=${token}&interval=hour`, ada);
    expect([status, body.items.length, body.meta.count, body.meta.interval]).toEqual([200, 721, 721, 'hour']);
    const sum = (kind: string) => body.items.reduce((all: number, one: any) => all + one[kind], 0);
    expect(['reserved', 'exchanged', 'requested', 'downloaded', 'updated', 'deleted', 'total'].map(sum)).toEqual([
      1, 1, 1, 1, 1, 0, 5,
    ]);
    expect((await server.get(`${path}?token=${token}`, eve)).body.code).toBe('data_token.not_found');
    expect((await server.get(`${path}?interval=year`, ada)).status).toBe(422);
  });
});

describe('batches', () => {
  test('store and request many values in one command each', async () => {
    const items = Array.from({ length: 50 }, (_, n) => ({ data: Buffer.from(`value ${n}`).toString('base64') }));
    const { body } = await server.done('/data-token/batch', { context: 'many', items }, ada.token);
    const tokens = body.items.map(({ token }: { token: string }) => token);
    const requested = await server.done('/data-token/batch-request', { tokens }, ada.token);
    const texts = await Promise.all(
      requested.body.items.map(async ({ downloadUrl }: { downloadUrl: string }) => (await fetch(downloadUrl)).text()),
    );
    expect(texts).toEqual(items.map((_, n) => `value ${n}`));
    expect((await server.get('/data-token/list-data-tokens?filters[context]=many', ada)).body.meta.count).toBe(50);
  });

  test('a device profile, a profile without key, and nobody may not', async () => {
    const keyless = await server.profile({ withKey: false });
    for (const [path, json] of [
      ['/data-token/batch', { context: 'a', items: [{ data: 'AAAA' }] }],
      ['/data-token/batch-request', { tokens: ['dt_a'] }],
    ] as const) {
      expect((await server.post(path, { json })).status).toBe(401);
      expect(await server.post(path, { json, token: keyless.token })).toMatchObject({
        status: 403,
        body: { code: 'profile.public_key_required' },
      });
    }
  });
});
