import { generateEd25519, generateKeyPair, uuid7 } from '@symbolon/crypto';
import { type TestProfile, TestServer } from '@symbolon/testing';

let server: TestServer;
let ada: TestProfile;
let eve: TestProfile;

beforeAll(async () => {
  server = await TestServer.start();
  ada = await server.profile();
  eve = await server.profile();
});
afterAll(() => server.stop());

const register = (fields: object = {}) =>
  server.done('/device/request-unique-identifier', { deviceName: 'attic server', ...fields }, ada.token);
const pending = async (fields: object = {}): Promise<string> => (await register(fields)).body.deviceIdentifier;
const approved = async (fields: object = {}): Promise<string> => {
  const deviceIdentifier = await pending(fields);
  await server.done('/device/approve-device', { deviceIdentifier }, ada.token);
  return deviceIdentifier;
};
const configuration = (deviceIdentifier: string, token = ada.token, query = '') =>
  server.get(`/device/retrieve-device-configuration/${deviceIdentifier}${query}`, { token });
const rejectedWith = async (path: string, fields: object, token = ada.token) => {
  const { body } = await server.post(path, { json: fields, token, wait: 30 });
  expect(body.status).toBe('rejected');
  return body.reason;
};
const list = async (query = '', token = ada.token) =>
  (await server.get(`/device/retrieve-profile-devices${query}`, { token })).body;
const events = async (type: string, field: string, value: string) => {
  const { rows } = await server.database.pool.query(
    `select data from es.event where type = $1 and data->>$2 = $3 order by position`,
    [type, field, value],
  );
  return rows.map(({ data }) => data);
};

describe('row 35, registering a device', () => {
  test('makes a pending device with a login of its own', async () => {
    const { commandId, body } = await register({ meta: { rack: 7 } });
    const { deviceIdentifier } = body;
    expect((await list()).items[0]).toMatchObject({
      deviceIdentifier,
      name: 'attic server',
      status: 'pending',
      roles: [],
      publicKeyRegistered: false,
      signingKeyRegistered: false,
      online: false,
      lastSeenAt: null,
      meta: { rack: 7 },
    });
    const { body: login } = await server.post('/device/retrieve-unique-identifier', {
      json: { id: commandId },
      token: ada.token,
    });
    expect(login).toEqual({
      deviceIdentifier,
      username: deviceIdentifier,
      password: expect.stringMatching(/^[\w-]{43}$/),
    });
    const token = await server.login(login.username, login.password);
    expect((await server.get('/profile/retrieve-profile-id', { token })).body).toEqual({ profileId: deviceIdentifier });
  });

  test('registers keys that come with it', async () => {
    const deviceIdentifier = await pending({
      publicKey: generateKeyPair().publicKey,
      signingKey: generateEd25519().publicKey,
    });
    expect((await list()).items[0]).toMatchObject({
      deviceIdentifier,
      publicKeyRegistered: true,
      signingKeyRegistered: true,
    });
  });

  test('refuses a key that is in use', async () => {
    const { publicKey } = generateKeyPair();
    await pending({ publicKey });
    expect(await rejectedWith('/device/request-unique-identifier', { deviceName: 'thief', publicKey })).toBe(
      'public_key.already_in_use',
    );
  });

  test('refuses what is malformed', async () => {
    const wrong = [{}, { deviceName: '' }, { deviceName: 'x'.repeat(101) }, { deviceName: 'x', meta: [1] }];
    for (const json of wrong)
      expect((await server.post('/device/request-unique-identifier', { json, token: ada.token })).body.code).toBe(
        'validation_failed',
      );
    const key = await server.post('/device/request-unique-identifier', {
      json: { deviceName: 'x', publicKey: 'ab' },
      token: ada.token,
    });
    expect([key.status, key.body.code]).toEqual([422, 'public_key.invalid']);
  });

  test('needs a profile with a key', async () => {
    const keyless = await server.profile({ withKey: false });
    const { status, body } = await server.post('/device/request-unique-identifier', {
      json: { deviceName: 'x' },
      token: keyless.token,
    });
    expect([status, body.code]).toEqual([403, 'profile.public_key_required']);
  });

  test('keeps name and login out of the log', async () => {
    const deviceIdentifier = await pending({ deviceName: 'a name that nobody may read' });
    const { rows } = await server.database.pool.query(
      `select count(*)::int as n from es.event e where row_to_json(e)::text like '%nobody may read%'`,
    );
    expect(rows).toEqual([{ n: 0 }]);
    const [event] = await events('device.registration_requested', 'deviceIdentifier', deviceIdentifier);
    expect(Object.keys(event.sealed)).toEqual([ada.profileId]);
  });

  test('repeats its answer under an Idempotency-Key', async () => {
    const call = (deviceName: string) =>
      server.post('/device/request-unique-identifier', {
        json: { deviceName },
        token: ada.token,
        wait: 30,
        headers: { 'idempotency-key': 'once' },
      });
    const [first, second] = [await call('twin'), await call('twin')];
    expect(second.body).toEqual(first.body);
    expect((await call('other')).body.code).toBe('idempotency.key_reused');
  });
});

describe('row 36, the device login', () => {
  test('is shown once, and once only to callers at the same time', async () => {
    const { commandId, body } = await register();
    const { deviceIdentifier } = body;
    const call = () => server.post('/device/retrieve-unique-identifier', { json: { id: commandId }, token: ada.token });
    const answers = (await Promise.all([call(), call(), call(), call()])).map((answer) => answer.body);
    expect(answers.filter(({ password }) => password !== undefined)).toHaveLength(1);
    expect((await call()).body).toEqual({ deviceIdentifier });
    expect(await events('device.identifier_retrieved', 'deviceIdentifier', deviceIdentifier)).toHaveLength(1);
  });

  test('belongs to the owner; a stranger is answered as if there were none, and it is recorded', async () => {
    const { commandId } = await register();
    const stranger = await server.post('/device/retrieve-unique-identifier', {
      json: { id: commandId },
      token: eve.token,
    });
    const unknown = await server.post('/device/retrieve-unique-identifier', {
      json: { id: uuid7() },
      token: eve.token,
    });
    expect(stranger.status).toBe(404);
    expect(stranger.text).toBe(unknown.text);
    const denied = await events('access.denied', 'profileId', eve.profileId);
    expect(denied.at(-1)).toMatchObject({
      method: 'POST',
      path: '/device/retrieve-unique-identifier',
      code: 'not_found',
    });
  });

  test('does not exist for a registration that was rejected', async () => {
    const { publicKey } = generateKeyPair();
    await pending({ publicKey });
    const { body } = await server.post('/device/request-unique-identifier', {
      json: { deviceName: 'x', publicKey },
      token: ada.token,
      wait: 30,
    });
    expect(
      (await server.post('/device/retrieve-unique-identifier', { json: { id: body.commandId }, token: ada.token }))
        .status,
    ).toBe(404);
  });
});

describe('rows 39 and 40, approval', () => {
  test('is given once', async () => {
    const deviceIdentifier = await approved();
    expect((await list('?status=approved')).items[0]).toMatchObject({ deviceIdentifier, status: 'approved' });
    for (const path of ['/device/approve-device', '/device/reject-device']) {
      expect(await rejectedWith(path, { deviceIdentifier })).toBe('device.not_pending');
    }
  });

  test('a rejected device has no login, no tokens and no configuration', async () => {
    const { commandId, body } = await register();
    const { deviceIdentifier } = body;
    const { body: login } = await server.post('/device/retrieve-unique-identifier', {
      json: { id: commandId },
      token: ada.token,
    });
    const token = await server.login(login.username, login.password);
    await server.done('/device/reject-device', { deviceIdentifier }, ada.token);
    expect((await server.get('/profile/retrieve-profile-id', { token })).status).toBe(401);
    expect((await server.post('/profile/authenticate', { json: login })).status).toBe(401);
    expect((await list('?status=rejected')).items[0]).toMatchObject({ deviceIdentifier, status: 'rejected' });
    expect((await configuration(deviceIdentifier)).body.code).toBe('device.not_approved');
    expect(await rejectedWith('/device/approve-device', { deviceIdentifier })).toBe('device.not_pending');
  });

  test.each(['/device/approve-device', '/device/reject-device', '/storage/register'])(
    '%s hides devices of others',
    async (path) => {
      const deviceIdentifier = await pending();
      expect(await rejectedWith(path, { deviceIdentifier }, eve.token)).toBe('device.not_found');
      expect(await rejectedWith(path, { deviceIdentifier: uuid7() })).toBe('device.not_found');
      expect((await server.post(path, { json: { deviceIdentifier: 'x' }, token: ada.token })).status).toBe(422);
    },
  );
});

describe('row 41, the configuration', () => {
  test('has the secret once, at either path', async () => {
    const deviceIdentifier = await approved();
    const first = await configuration(deviceIdentifier);
    const expected = {
      'device-identifier': deviceIdentifier,
      'client-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
      'channel-url': `ws://127.0.0.1:${server.port}/device-channel`,
      'cab-public-key': (await server.get('/dptcab/public-key')).body.publicKey,
      'jwks-url': `${server.url}/.well-known/jwks.json`,
    };
    expect(first.body).toEqual({ ...expected, 'client-secret': expect.stringMatching(/^[\w-]{43}$/) });
    const second = await server.post('/device/download-device-configuration', {
      json: { deviceIdentifier },
      token: ada.token,
    });
    expect(second.body).toEqual({ ...expected, 'client-id': first.body['client-id'] });
    const retrieved = await events('device.configuration_retrieved', 'deviceIdentifier', deviceIdentifier);
    expect(retrieved.map(({ secretsShown }) => secretsShown)).toEqual([true, false]);
  });

  test('shows the secret to one of several callers', async () => {
    const deviceIdentifier = await approved();
    const answers = await Promise.all([1, 2, 3, 4].map(() => configuration(deviceIdentifier)));
    expect(answers.filter(({ body }) => 'client-secret' in body)).toHaveLength(1);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  });

  test('can be fetched by the device itself, and by nobody else', async () => {
    const { commandId, body } = await register();
    const { deviceIdentifier } = body;
    const { body: login } = await server.post('/device/retrieve-unique-identifier', {
      json: { id: commandId },
      token: ada.token,
    });
    const token = await server.login(login.username, login.password);
    expect((await configuration(deviceIdentifier, token)).status).toBe(409);
    await server.done('/device/approve-device', { deviceIdentifier }, ada.token);
    const other = await approved();
    expect((await configuration(other, token)).status).toBe(404);
    expect((await configuration(deviceIdentifier, eve.token)).status).toBe(404);
    expect((await configuration('no-device')).status).toBe(404);
    expect((await configuration(deviceIdentifier, token)).body['client-secret']).toBeDefined();
  });

  test('rotation makes a new secret for the same client', async () => {
    const deviceIdentifier = await approved();
    const { body: before } = await configuration(deviceIdentifier);
    const { body: after } = await configuration(deviceIdentifier, ada.token, '?rotate=true');
    expect(after['client-id']).toBe(before['client-id']);
    expect(after['client-secret']).not.toBe(before['client-secret']);
    expect((await configuration(deviceIdentifier)).body['client-secret']).toBeUndefined();
    expect(await events('device.configuration_rotated', 'deviceIdentifier', deviceIdentifier)).toHaveLength(1);
  });
});

describe('rows 43 and 44, storage devices', () => {
  test('need approval and key, and are registered once', async () => {
    const deviceIdentifier = await pending();
    expect(await rejectedWith('/storage/register', { deviceIdentifier })).toBe('device.not_approved');
    await server.done('/device/approve-device', { deviceIdentifier }, ada.token);
    expect(await rejectedWith('/storage/register', { deviceIdentifier })).toBe('device.public_key_missing');
    const { publicKey } = generateKeyPair();
    await server.done('/public-key/register-public-key', { publicKey, deviceIdentifier }, ada.token);
    await server.done('/storage/register', { deviceIdentifier }, ada.token);
    expect(await rejectedWith('/storage/register', { deviceIdentifier })).toBe('storage.already_registered');
    const { body } = await server.get('/storage/list-storage-devices', { token: ada.token });
    expect(body).toEqual({
      items: [
        {
          deviceIdentifier,
          name: 'attic server',
          status: 'approved',
          online: false,
          lastSeenAt: null,
          tokensHeld: 0,
          registeredAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/),
        },
      ],
      meta: { count: 1, page: 1, perPage: 25 },
    });
    expect(
      (await list()).items.find((item: { deviceIdentifier: string }) => item.deviceIdentifier === deviceIdentifier)
        .roles,
    ).toEqual(['storage']);
    expect((await server.get('/storage/list-storage-devices', { token: eve.token })).body.items).toEqual([]);
  });
});

describe('row 37, the list', () => {
  test('is paged, newest first, and shows own devices only', async () => {
    const names = ['one', 'two', 'three'];
    const owner = await server.profile();
    for (const deviceName of names) await server.done('/device/request-unique-identifier', { deviceName }, owner.token);
    const page = await list('?perPage=2', owner.token);
    expect(page.items.map(({ name }: { name: string }) => name)).toEqual(['three', 'two']);
    expect(page.meta).toEqual({ count: 3, page: 1, perPage: 2 });
    const past = await list('?perPage=2&page=9', owner.token);
    expect([past.items, past.meta.count]).toEqual([[], 3]);
    expect((await list('?status=removed', owner.token)).items).toEqual([]);
    expect((await server.get('/device/retrieve-profile-devices?status=lost', { token: owner.token })).body.code).toBe(
      'validation_failed',
    );
  });
});

test('with SYMBOLON_DEVICE_KEY_BEFORE_APPROVAL a device without key cannot be approved', async () => {
  const strict = await TestServer.start({ environment: { SYMBOLON_DEVICE_KEY_BEFORE_APPROVAL: 'true' } });
  try {
    const { token } = await strict.profile();
    const { body } = await strict.done('/device/request-unique-identifier', { deviceName: 'attic' }, token);
    const { deviceIdentifier } = body;
    const refused = await strict.post('/device/approve-device', { json: { deviceIdentifier }, token, wait: 30 });
    expect(refused.body.reason).toBe('device.public_key_missing');
    const { publicKey } = generateKeyPair();
    await strict.done('/public-key/register-public-key', { publicKey, deviceIdentifier }, token);
    await strict.done('/device/approve-device', { deviceIdentifier }, token);
  } finally {
    await strict.stop();
  }
});
