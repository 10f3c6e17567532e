import { uuid7 } from '@symbolon/crypto';
import { TestDevice, type TestProfile, TestServer, until } from '@symbolon/testing';

/** Rows 38, 42, 44 and 46: what becomes of a device after its approval. */
let server: TestServer;
let ada: TestProfile;
let eve: TestProfile;
let device: TestDevice;

beforeAll(async () => {
  server = await TestServer.start();
  eve = await server.profile();
});
afterAll(() => server.stop());
beforeEach(async () => {
  ada = await server.profile();
  device = await TestDevice.of(server, ada);
  await device.connect();
});
afterEach(() => device.leave());

const rejected = async (path: string, json: object, token = ada.token): Promise<string> => {
  const { body } = await server.post(path, { json, token, wait: 30 });
  expect(body.status).toBe('rejected');
  return body.reason;
};
const devices = async (query = '') =>
  (await server.get(`/device/retrieve-profile-devices${query}`, { token: ada.token })).body.items;
const storages = async () =>
  (await server.get('/storage/list-storage-devices', { token: ada.token })).body.items as Array<{
    deviceIdentifier: string;
    tokensHeld: number;
    name: string;
  }>;
const query = async (sql: string, params: unknown[] = []) => (await server.database.pool.query(sql, params)).rows;
const eventsOf = async (commandId: string) =>
  (
    await query(
      `select type, data from es.event where meta->>'commandId' = $1 and type not like 'command.%' order by position`,
      [commandId],
    )
  ).map(({ type, data }) => [type, data]);

async function stored(data = 'a secret payload'): Promise<string> {
  const { commandId } = await server.done('/data-token/reserve-token-space', { context: 'tests' }, ada.token);
  const path = `/data-token/retrieve-temporary-data-token/${commandId}`;
  const { token } = (await server.get(path, { token: ada.token })).body;
  const fields = { temporaryTokenSpace: token, data: Buffer.from(data).toString('base64') };
  await server.done('/data-token/exchange-data-for-token', fields, ada.token);
  return token;
}

const fetched = async (token: string): Promise<string> => {
  const { body } = await server.done('/data-token/request-data', { token }, ada.token);
  return (await fetch(body.downloadUrl)).text();
};

describe('row 38, configure device meta', () => {
  const path = '/device/configure-meta';
  const configure = (fields: object) =>
    server.done(path, { deviceIdentifier: device.deviceIdentifier, ...fields }, ada.token);

  test('changes the name, the meta, or both; meta is replaced', async () => {
    const { deviceIdentifier } = device;
    const { body, commandId } = await configure({ name: 'cellar', meta: { rack: 7, row: 1 } });
    expect(body).toEqual({ deviceIdentifier });
    expect(await devices()).toMatchObject([{ name: 'cellar', meta: { rack: 7, row: 1 } }]);
    await configure({ meta: { rack: 8 } });
    expect((await devices())[0]).toMatchObject({ name: 'cellar' });
    expect((await devices())[0].meta).toEqual({ rack: 8 });
    await configure({ name: 'roof' });
    expect((await devices())[0]).toMatchObject({ name: 'roof', meta: { rack: 8 } });
    expect((await storages())[0]!.name).toBe('roof');
    expect((await eventsOf(commandId)).map(([type]) => type)).toEqual(['device.meta_configured']);
  });

  test('keeps both out of the log', async () => {
    await configure({ name: 'a name for nobody', meta: { hint: 'a meta for nobody' } });
    const rows = await query(`select 1 from es.event e where row_to_json(e)::text like '%for nobody%'`);
    expect(rows).toEqual([]);
  });

  test.each([
    [{}],
    [{ name: '' }],
    [{ name: 'x'.repeat(101) }],
    [{ meta: [1] }],
    [{ meta: { text: 'x'.repeat(16_384) } }],
    [{ name: 'x', deviceIdentifier: 'attic' }],
  ])('refuses %p', async (fields) => {
    const json = { deviceIdentifier: device.deviceIdentifier, ...fields };
    const { status, body } = await server.post(path, { json, token: ada.token });
    expect([status, body.code]).toEqual([422, 'validation_failed']);
  });

  test('is the owner’s, and reveals nothing to others', async () => {
    const fields = { deviceIdentifier: device.deviceIdentifier, name: 'x' };
    expect(await rejected(path, fields, eve.token)).toBe('device.not_found');
    expect(await rejected(path, { ...fields, deviceIdentifier: uuid7() })).toBe('device.not_found');
  });
});

describe('row 42, remove device', () => {
  const path = '/device/remove';
  const remove = ({ deviceIdentifier } = device) => server.done(path, { deviceIdentifier }, ada.token);

  test('ends login, credentials, connection and roles, and the device stays in the list of removed ones only', async () => {
    const { commandId: registration } = await server.done(
      '/device/request-unique-identifier',
      { deviceName: 'other' },
      ada.token,
    );
    const { body: login } = await server.post('/device/retrieve-unique-identifier', {
      json: { id: registration },
      token: ada.token,
    });
    const { deviceIdentifier: other } = login;
    await server.done('/device/approve-device', { deviceIdentifier: other }, ada.token);
    const token = await server.login(login.username, login.password);
    await remove({ deviceIdentifier: other } as TestDevice);
    expect((await server.get('/profile/retrieve-profile-id', { token })).status).toBe(401);
    expect((await server.post('/profile/authenticate', { json: login })).status).toBe(401);

    const { deviceIdentifier } = device;
    const { body, commandId } = await remove();
    expect(body).toEqual({ deviceIdentifier });
    await device.until(() => device.closeCode !== null);
    expect(device.closeCode).toBe(4401);
    await expect(device.connect()).rejects.toThrow('401');
    expect(await devices()).toEqual([]);
    const gone = await devices('?status=removed');
    expect(gone).toMatchObject([
      { deviceIdentifier: other, status: 'removed' },
      { deviceIdentifier, status: 'removed', roles: [] },
    ]);
    expect(await storages()).toEqual([]);
    expect((await eventsOf(commandId)).filter(([type]) => type !== 'profile.barred')).toEqual([
      ['device.removed', expect.objectContaining({ deviceIdentifier })],
      ['storage.removed', expect.objectContaining({ deviceIdentifier, profileId: ada.profileId })],
    ]);
  });

  test('is final', async () => {
    const { deviceIdentifier } = device;
    await remove();
    for (const [row, fields] of [
      [path, {}],
      ['/device/approve-device', {}],
      ['/device/reject-device', {}],
      ['/device/configure-meta', { name: 'x' }],
      ['/storage/register', {}],
    ] as const)
      expect(await rejected(row, { deviceIdentifier, ...fields })).toBe('device.not_found');
    expect(await rejected('/storage/remove', { deviceIdentifier })).toBe('storage.not_registered');
    const configuration = `/device/retrieve-device-configuration/${deviceIdentifier}`;
    expect((await server.get(configuration, { token: ada.token })).body.code).toBe('device.not_approved');
  });

  test('is the owner’s, for devices that were approved', async () => {
    const { deviceIdentifier } = device;
    expect(await rejected(path, { deviceIdentifier }, eve.token)).toBe('device.not_found');
    expect(await rejected(path, { deviceIdentifier: uuid7() })).toBe('device.not_found');
    const { body } = await server.done('/device/request-unique-identifier', { deviceName: 'new' }, ada.token);
    expect(await rejected(path, body)).toBe('device.not_found');
    expect((await server.post(path, { json: { deviceIdentifier: 7 }, token: ada.token })).status).toBe(422);
  });

  test('loses its access at once: what was on its way, and a payload that it was about to fetch', async () => {
    const second = await TestDevice.of(server, ada);
    device.behaviour['storage.write'] = () => undefined;
    await second.connect();
    const { commandId } = await server.done('/data-token/reserve-token-space', { context: 'tests' }, ada.token);
    const reserved = `/data-token/retrieve-temporary-data-token/${commandId}`;
    const { stream } = (await server.get(reserved, { token: ada.token })).body;
    await server.post(stream, { body: new Uint8Array(100_000), headers: { prefer: 'wait=30' } });
    const { content } = await device.got('storage.write');
    await remove();
    expect((await fetch(content.payloadUrl)).status).toBe(401);
    const open = 'select 1 from device_router.delivery where device_identifier = $1';
    expect(await query(open, [device.deviceIdentifier])).toEqual([]);
    await second.leave();
  });

  test('does not hold up a request for data that it alone was asked for', async () => {
    const token = await stored();
    device.behaviour['storage.read'] = () => undefined;
    const { body } = await server.post('/data-token/request-data', { json: { token }, token: ada.token });
    await device.got('storage.read');
    await remove();
    const { body: end } = await server.get(`/request-status/${body.commandId}`, { token: ada.token, wait: 30 });
    expect([end.status, end.reason]).toEqual(['rejected', 'storage.data_missing']);
  });
});

describe('rows 44 and 46, storage', () => {
  const path = '/storage/remove';
  const { deviceIdentifier: none } = { deviceIdentifier: uuid7() };

  test('a removed storage keeps its device, gets no more data, and may be registered again', async () => {
    const second = await TestDevice.of(server, ada);
    await second.connect();
    const token = await stored();
    const { deviceIdentifier } = device;
    await until(async () => (await storages()).every(({ tokensHeld }) => tokensHeld === 1), 'a token at every device');
    const { body, commandId } = await server.done(path, { deviceIdentifier }, ada.token);
    expect(body).toEqual({ deviceIdentifier });
    expect(await eventsOf(commandId)).toEqual([
      ['storage.removed', expect.objectContaining({ deviceIdentifier, profileId: ada.profileId })],
    ]);
    expect((await storages()).map((item) => item.deviceIdentifier)).toEqual([second.deviceIdentifier]);
    const [item] = (await devices()).filter((one: { roles: string[] }) => one.roles.length === 0);
    expect(item).toMatchObject({ deviceIdentifier, status: 'approved', online: true });
    await stored('for the second one');
    expect(device.count('storage.write')).toBe(1);
    expect(await rejected(path, { deviceIdentifier })).toBe('storage.not_registered');

    await server.done('/storage/register', { deviceIdentifier }, ada.token);
    await server.done(path, { deviceIdentifier: second.deviceIdentifier }, ada.token);
    expect(await fetched(token)).toBe('a secret payload'); // it still holds it
    expect((await storages()).map(({ tokensHeld }) => tokensHeld)).toEqual([1]);
    await second.leave();
  });

  test('what was to be deleted is deleted all the same', async () => {
    const token = await stored();
    await device.leave();
    await server.done('/data-token/delete-data', { token }, ada.token);
    await server.done(path, { deviceIdentifier: device.deviceIdentifier }, ada.token);
    await device.connect();
    await device.got('storage.delete');
    await until(async () => device.objects.size === 0, 'the device to hold nothing');
  });

  test('is the owner’s', async () => {
    expect(await rejected(path, { deviceIdentifier: device.deviceIdentifier }, eve.token)).toBe(
      'storage.not_registered',
    );
    expect(await rejected(path, { deviceIdentifier: none })).toBe('storage.not_registered');
    expect((await server.post(path, { json: {}, token: ada.token })).body.code).toBe('validation_failed');
  });

  test('tokensHeld counts tokens, not versions, and follows deletions', async () => {
    const held = async () => (await storages())[0]!.tokensHeld;
    const [first, second] = [await stored(), await stored()];
    expect(await held()).toBe(2);
    const data = Buffer.from('new').toString('base64');
    await server.done('/data-token/update-data', { dataToken: first, data }, ada.token);
    expect(await held()).toBe(2);
    await device.got('storage.delete');
    await until(
      async () => (await query(`select 1 from device_router.delivery`)).length === 0,
      'every delivery to be over',
    );
    expect(await held()).toBe(2);
    for (const token of [first, second]) await server.done('/data-token/delete-data', { token }, ada.token);
    expect(await held()).toBe(0);
    const counted = await query(
      `select h.tokens::int, (select count(distinct token_id) from device_router.copy c
         where c.device_identifier = h.device_identifier and c.sha256 is not null)::int as true
         from device_router.held h`,
    );
    for (const row of counted) expect(row.tokens).toBe(row.true);
  });
});
