import { once } from 'node:events';
import { generateEd25519, generateKeyPair, importX25519Private, openMessage, uuid7 } from '@symbolon/crypto';
import { envelopeInfo } from '@symbolon/contracts';
import { type Envelope, subprotocol } from '@symbolon/device-link';
import { TestDevice, type TestProfile, TestServer } from '@symbolon/testing';
import { WebSocket } from 'ws';

let server: TestServer;
let ada: TestProfile;

beforeAll(async () => {
  server = await TestServer.start();
  ada = await server.profile();
});

afterAll(() => server.stop());

const register = (fields: object = {}) =>
  server.done('/device/request-unique-identifier', { deviceName: 'attic server', ...fields }, ada.token);
const rejected = async (path: string, json: object, token = ada.token): Promise<string> => {
  const { body } = await server.post(path, { json, token, wait: 30 });
  expect(body.status).toBe('rejected');
  return body.reason;
};
const configuration = (deviceIdentifier: string, token = ada.token, query = '') =>
  server.get(`/device/retrieve-device-configuration/${deviceIdentifier}${query}`, { token });
const approve = (deviceIdentifier: string) => server.done('/device/approve-device', { deviceIdentifier }, ada.token);

/** A device with its own session. */
async function loggedIn(fields: object = {}): Promise<{ deviceIdentifier: string; token: string; secret: string }> {
  const { commandId } = await register(fields);
  const { body } = await server.post('/device/retrieve-unique-identifier', {
    json: { id: commandId },
    token: ada.token,
  });
  return {
    deviceIdentifier: body.deviceIdentifier,
    token: await server.login(body.username, body.password),
    secret: body.password,
  };
}

/** Status of an upgrade that is refused, or null where it is not. */
async function knock(credentials: string | null, protocol = subprotocol): Promise<number | null> {
  const headers = credentials === null ? {} : { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` };
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/device-channel`, [protocol], { headers });
  socket.on('error', () => undefined);
  return new Promise((resolve) => {
    socket.on('unexpected-response', (_, response) => resolve(response.statusCode ?? 0));
    socket.on('open', () => {
      socket.terminate();
      resolve(null);
    });
  });
}

describe('a device’s own token', () => {
  test('may call its rows and no other, and what it is refused is recorded', async () => {
    const { token, deviceIdentifier } = await loggedIn();
    for (const [verb, path, status] of [
      ['GET', '/profile/retrieve-profile-id', 200],
      ['POST', '/profile/authorization-token/expiry', 200],
      ['GET', '/public-key/generate-keys', 200],
      ['GET', '/public-key/retrieve-public-key', 404],
      ['GET', '/dptcab/public-key', 200],
      ['GET', `/device/retrieve-device-configuration/${deviceIdentifier}`, 409],
      ['GET', `/request-status/${uuid7()}`, 404],
    ] as const) {
      const answer = await server.call(verb, path, { token });
      expect([verb, path, answer.status]).toEqual([verb, path, status]);
    }
    const prolonged = await server.post('/profile/reauthorize-authorization-token', { token, json: { ttl: 60 } });
    expect(prolonged.status).toBe(200);
    const refused: Array<readonly [string, string]> = [
      ['POST', '/profile/change-password'],
      ['POST', '/data-token/reserve-token-space'],
      ['GET', `/data-token/retrieve-temporary-data-token/${uuid7()}`],
      ['POST', '/data-token/exchange-data-for-token'],
      ['POST', '/data-token/request-data'],
      ['POST', '/data-token/configure-information-security-risk-meta'],
      ['POST', '/data-token/configure-file-meta'],
      ['GET', '/data-token/list-data-tokens'],
      ['POST', '/data-token/delete-data'],
      ['POST', '/device/request-unique-identifier'],
      ['POST', '/device/retrieve-unique-identifier'],
      ['GET', '/device/retrieve-profile-devices'],
      ['POST', '/device/approve-device'],
      ['POST', '/device/reject-device'],
      ['POST', '/storage/register'],
      ['GET', '/storage/list-storage-devices'],
    ];
    for (const [verb, path] of refused) {
      const { status, body } = await server.call(verb, path, { token });
      expect([verb, path, status, body.code]).toEqual([verb, path, 403, 'profile.device_not_allowed']);
    }
    const { rows } = await server.database.pool.query(
      `select data->>'method' as method, data->>'path' as path, data->>'code' as code, meta->'actor' as actor
         from es.event where type = 'access.denied' and data->>'profileId' = $1 order by position`,
      [deviceIdentifier],
    );
    expect(rows.map(({ method, path }) => [method, path])).toEqual(refused);
    expect(rows[0]).toMatchObject({
      code: 'profile.device_not_allowed',
      actor: { profileId: deviceIdentifier, kind: 'device', deviceIdentifier },
    });
    expect((await server.post('/profile/revoke-authorization-token', { token })).body).toEqual({ revoked: true });
  });

  test('registers its own key and no other’s', async () => {
    const { token, deviceIdentifier } = await loggedIn();
    const other = await register();
    const { publicKey } = generateKeyPair();
    const path = '/public-key/register-public-key';
    for (const stranger of [other.body.deviceIdentifier, ada.profileId]) {
      expect(await rejected(path, { publicKey, deviceIdentifier: stranger }, token)).toBe('device.not_found');
    }
    const { commandId, body } = await server.done(path, { publicKey }, token);
    expect(body.profileId).toBe(deviceIdentifier);
    expect((await server.get(`/request-status/${commandId}`, { token })).body.status).toBe('succeeded');
    expect((await server.get(`/request-status/${commandId}`, ada)).status).toBe(404);
    const known = await server.get(`/public-key/retrieve-public-key?deviceIdentifier=${deviceIdentifier}`, ada);
    expect(known.body.publicKey).toBe(publicKey);
  });

  test('opens no channel before the approval, and afterwards only with the channel’s secret', async () => {
    const { deviceIdentifier, secret } = await loggedIn();
    expect(await knock(`${deviceIdentifier}:${secret}`)).toBe(401);
    await approve(deviceIdentifier);
    expect(await knock(`${deviceIdentifier}:${secret}`)).toBe(401);
    const { body } = await configuration(deviceIdentifier);
    const { 'client-id': id, 'client-secret': clientSecret } = body;
    expect(await knock(`${id}:${secret}`)).toBe(401);
    expect(await knock(`${deviceIdentifier}:${clientSecret}`)).toBe(401);
    expect(await knock(null)).toBe(401);
    expect(await knock(`${id}:${clientSecret}`)).toBeNull();
  });
});

describe('20 Register public key for a device', () => {
  test('takes pending and approved devices, no rejected one', async () => {
    const path = '/public-key/register-public-key';
    const pending = (await register()).body.deviceIdentifier;
    await server.done(path, { publicKey: generateKeyPair().publicKey, deviceIdentifier: pending }, ada.token);
    await approve(pending);
    const second = await server.done(
      path,
      { publicKey: generateKeyPair().publicKey, deviceIdentifier: pending },
      ada.token,
    );
    expect(second.body).toEqual({ profileId: pending, fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/) });
    const refused = (await register()).body.deviceIdentifier;
    await server.done('/device/reject-device', { deviceIdentifier: refused }, ada.token);
    expect(await rejected(path, { publicKey: generateKeyPair().publicKey, deviceIdentifier: refused })).toBe(
      'device.not_found',
    );
  });

  test('what is sealed from then on is sealed to the new key, what was stored stays readable', async () => {
    const owner = await server.profile();
    const device = await TestDevice.of(server, owner);
    await device.connect();
    const store = async (text: string) => {
      const { commandId } = await server.done('/data-token/reserve-token-space', { context: 'a' }, owner.token);
      const { body } = await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, owner);
      const data = Buffer.from(text).toString('base64');
      const json = { temporaryTokenSpace: body.token, data };
      return {
        token: body.token,
        ...(await server.post('/data-token/exchange-data-for-token', { json, token: owner.token })).body,
      };
    };
    const first = await store('before');
    await server.get(`/request-status/${first.commandId}`, { token: owner.token, wait: 30 });
    await device.leave();
    const pair = generateKeyPair();
    const { deviceIdentifier } = device;
    await server.done('/public-key/register-public-key', { publicKey: pair.publicKey, deviceIdentifier }, owner.token);

    const { body } = await configuration(deviceIdentifier, owner.token, '?rotate=true');
    const authorization = `Basic ${Buffer.from(`${body['client-id']}:${body['client-secret']}`).toString('base64')}`;
    const socket = new WebSocket(body['channel-url'], [subprotocol], { headers: { authorization } });
    await once(socket, 'open');
    const asked = await server.post('/data-token/request-data', { json: { token: first.token }, token: owner.token });
    expect(asked.status).toBe(202);
    let read: Envelope | undefined;
    while (read?.type !== 'storage.read') read = JSON.parse(String((await once(socket, 'message'))[0]));
    const sealed = Buffer.from((read.body as { sealed: string }).sealed, 'base64');
    const info = envelopeInfo(read.id, read.type, deviceIdentifier);
    const content = JSON.parse(openMessage([importX25519Private(pair.privateKey)], info, sealed).toString());
    expect(Object.keys(content).sort()).toEqual(['objectId', 'uploadUrl', 'uploadUrlExpiresAt', 'version']);
    expect([content.objectId, content.uploadUrl, content.uploadUrlExpiresAt]).toEqual([
      ...device.objects.keys(),
      null,
      null,
    ]);
    socket.terminate();
  });
});

describe('35 to 44, devices', () => {
  test('35 repeats its answer whatever the encoding, and registers the keys that come with it', async () => {
    const publicKey = generateKeyPair().publicKey.toUpperCase();
    const signingKey = generateEd25519().publicKey.toUpperCase();
    const path = '/device/request-unique-identifier';
    const options = { token: ada.token, wait: 30, headers: { 'idempotency-key': `device ${publicKey.slice(8, 40)}` } };
    const first = await server.post(path, {
      ...options,
      json: { deviceName: 'a', publicKey, signingKey, meta: { a: 'b' } },
    });
    const form = { deviceName: 'a', publicKey: publicKey.toLowerCase(), signingKey, 'meta[a]': 'b' };
    const second = await server.post(path, { ...options, form });
    expect(second.body).toEqual(first.body);
    const { deviceIdentifier } = first.body.body;
    const key = await server.get(`/public-key/retrieve-public-key?deviceIdentifier=${deviceIdentifier}`, ada);
    expect(key.body).toMatchObject({ publicKey: publicKey.toLowerCase(), signingKey: signingKey.toLowerCase() });
  });

  test.each([
    [{ deviceName: 'a', signingKey: 'x' }, 'public_key.invalid'],
    [
      { deviceName: 'a', publicKey: generateKeyPair().publicKey.replace(/.$/, (digit) => (digit === '0' ? '1' : '0')) },
      'public_key.invalid',
    ],
    [{ deviceName: 'a', meta: { text: 'x'.repeat(16_384) } }, 'validation_failed'],
    [{ deviceName: '🕰'.repeat(101) }, 'validation_failed'],
  ])('35 refuses %j', async (json, code) => {
    const { status, body } = await server.post('/device/request-unique-identifier', { json, token: ada.token });
    expect([status, body.code]).toEqual([422, code]);
  });

  test('35 takes a name of 100 characters of any kind', async () => {
    const deviceName = '🕰'.repeat(99) + '\u0000';
    const { body } = await register({ deviceName });
    const { items } = (await server.get('/device/retrieve-profile-devices', ada)).body;
    expect(items[0]).toMatchObject({ deviceIdentifier: body.deviceIdentifier, name: deviceName, meta: null });
  });

  test.each(['/device/approve-device', '/device/reject-device', '/storage/register'])(
    '%s repeats its answer under an Idempotency-Key',
    async (path) => {
      const { deviceIdentifier } = (await register({ publicKey: generateKeyPair().publicKey })).body;
      if (path === '/storage/register') await approve(deviceIdentifier);
      const call = (json: object) =>
        server.post(path, {
          json,
          token: ada.token,
          wait: 30,
          headers: { 'idempotency-key': `of ${deviceIdentifier}` },
        });
      const first = await call({ deviceIdentifier });
      expect(first.body).toMatchObject({ status: 'succeeded', body: { deviceIdentifier } });
      expect((await call({ deviceIdentifier })).body).toEqual(first.body);
      expect((await call({ deviceIdentifier: uuid7() })).body.code).toBe('idempotency.key_reused');
    },
  );

  test('36 knows no command that registered no device', async () => {
    const { commandId } = await server.done('/data-token/reserve-token-space', { context: 'a' }, ada.token);
    for (const id of [commandId, uuid7()]) {
      const { status, body } = await server.post('/device/retrieve-unique-identifier', {
        json: { id },
        token: ada.token,
      });
      expect([status, body.code]).toEqual([404, 'not_found']);
    }
    const malformed = await server.post('/device/retrieve-unique-identifier', { json: { id: 'x' }, token: ada.token });
    expect([malformed.status, Object.keys(malformed.body.errors)]).toEqual([422, ['id']]);
  });

  test('37 has exactly its fields', async () => {
    await register();
    const { items } = (await server.get('/device/retrieve-profile-devices?status=pending&perPage=1', ada)).body;
    expect(Object.keys(items[0]).sort()).toEqual(
      [
        'deviceIdentifier',
        'name',
        'status',
        'roles',
        'publicKeyRegistered',
        'signingKeyRegistered',
        'online',
        'lastSeenAt',
        'meta',
        'createdAt',
      ].sort(),
    );
  });

  test('40 ends the channel of nobody and the login for good', async () => {
    const { deviceIdentifier, token } = await loggedIn();
    await server.done('/device/reject-device', { deviceIdentifier }, ada.token);
    expect((await server.get('/profile/retrieve-profile-id', { token })).status).toBe(401);
    expect((await configuration(deviceIdentifier)).body).toMatchObject({ status: 409, code: 'device.not_approved' });
  });

  test('41 is refused alike for what is unknown and what is another’s, and takes rotate in either form', async () => {
    const { deviceIdentifier } = (await register()).body;
    await approve(deviceIdentifier);
    const eve = await server.profile();
    expect((await configuration(deviceIdentifier, eve.token)).text).toBe(
      (await configuration(uuid7(), eve.token)).text,
    );
    expect((await configuration(deviceIdentifier, ada.token, '?rotate=maybe')).status).toBe(422);
    const path = '/device/download-device-configuration';
    const secrets = new Set<string>();
    for (const rotate of ['true', true, 1, '1']) {
      const { body } = await server.post(path, { json: { deviceIdentifier, rotate }, token: ada.token });
      secrets.add(body['client-secret']);
    }
    expect([secrets.size, secrets.has(undefined as never)]).toEqual([4, false]);
    const plain = await server.post(path, { json: { deviceIdentifier, rotate: 'false' }, token: ada.token });
    expect(plain.body).not.toHaveProperty('client-secret');
    expect(await knock(`${plain.body['client-id']}:${[...secrets][2]}`)).toBe(401);
    expect(await knock(`${plain.body['client-id']}:${[...secrets][3]}`)).toBeNull();
  });

  test('41 a rotation closes the open connection with 4401', async () => {
    const device = await TestDevice.of(server, ada, { storage: false });
    await device.connect();
    await configuration(device.deviceIdentifier, ada.token, '?rotate=1');
    await device.until(() => device.closeCode !== null);
    expect(device.closeCode).toBe(4401);
    await expect(device.connect()).rejects.toThrow('401');
  });

  test('44 counts the tokens that a device holds', async () => {
    const owner = await server.profile();
    const device = await TestDevice.of(server, owner);
    await device.connect();
    const { commandId } = await server.done('/data-token/reserve-token-space', { context: 'a' }, owner.token);
    const { token } = (await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, owner)).body;
    await server.done('/data-token/exchange-data-for-token', { temporaryTokenSpace: token, data: 'AAAA' }, owner.token);
    const held = async () => (await server.get('/storage/list-storage-devices', owner)).body.items;
    expect(await held()).toMatchObject([
      { deviceIdentifier: device.deviceIdentifier, online: true, lastSeenAt: expect.any(String), tokensHeld: 1 },
    ]);
    await server.done('/data-token/delete-data', { token }, owner.token);
    await device.got('storage.delete');
    while ((await held())[0].tokensHeld !== 0) await new Promise(setImmediate);
    await device.leave();
  });
});
