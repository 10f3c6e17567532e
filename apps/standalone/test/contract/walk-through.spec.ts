import { importX25519Private, openMessage, parsePublicKey, randomBytes, sealMessage, uuid7 } from '@symbolon/crypto';
import { envelopeInfo } from '@symbolon/contracts';
import { type Envelope, subprotocol } from '@symbolon/device-link';
import { instant } from '@symbolon/kernel';
import { TestServer } from '@symbolon/testing';
import { WebSocket } from 'ws';

/** Section 19: every call as printed, forms and headers alike; the device is the smallest program that speaks section 16. */
let server: TestServer;
const devices: WebSocket[] = [];

beforeAll(async () => {
  server = await TestServer.start();
});

afterAll(async () => {
  for (const socket of devices) socket.terminate();
  await server.stop();
});

const wait = { prefer: 'wait=20' };

function startDevice(configuration: Record<string, string>, privateKey: string): void {
  const { 'client-id': id, 'client-secret': secret, 'channel-url': url, 'cab-public-key': serverKey } = configuration;
  const authorization = `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
  const socket = new WebSocket(url!, [subprotocol], { headers: { authorization } });
  devices.push(socket);
  const held = new Map<string, any>();
  const answers: Record<string, (content: any) => [string, object]> = {
    'storage.write': ({ objectId, version, size, sha256, payload }) => {
      held.set(objectId, { objectId, version, found: true, size, sha256, payload });
      return ['storage.write_ack', { objectId, version, sha256, storedAt: instant(Date.now()) }];
    },
    'storage.read': ({ objectId, version }) => [
      'storage.read_result',
      held.get(objectId) ?? { objectId, version, found: false },
    ],
    'storage.delete': ({ objectId, upToVersion }) => {
      held.delete(objectId);
      return ['storage.delete_ack', { objectId, upToVersion, deletedAt: instant(Date.now()) }];
    },
  };
  socket.on('message', (data) => {
    const frame = JSON.parse(String(data)) as Envelope & { ack?: string };
    if (frame.ack) return;
    socket.send(JSON.stringify({ ack: frame.id }));
    const answer = answers[frame.type];
    if (!answer) return;
    const { deviceIdentifier } = frame;
    const sealed = Buffer.from((frame.body as { sealed: string }).sealed, 'base64');
    const info = envelopeInfo(frame.id, frame.type, deviceIdentifier);
    const [type, content] = answer(JSON.parse(openMessage([importX25519Private(privateKey)], info, sealed).toString()));
    const messageId = uuid7();
    const text = Buffer.from(JSON.stringify(content));
    const body = sealMessage(parsePublicKey(serverKey!).raw, envelopeInfo(messageId, type, deviceIdentifier), text);
    const head = { v: 1, id: messageId, type, deviceIdentifier, correlationId: frame.id, at: instant(Date.now()) };
    socket.send(JSON.stringify({ ...head, body: { sealed: body.toString('base64') } }));
  });
}

test('the walk-through goes as it is printed', async () => {
  const login = { username: 'ada@example.org', password: 'tall green walnut tree' };
  const registered = await server.post('/profile/register-profile', { headers: wait, form: login });
  expect([registered.status, registered.body]).toEqual([
    200,
    {
      commandId: expect.any(String),
      type: 'profile/register-profile',
      status: 'succeeded',
      command_status: 2,
      reason: null,
      body: { profileId: expect.any(String) },
      createdAt: expect.any(String),
      updatedAt: expect.any(String),
    },
  ]);
  const token = (await server.post('/profile/authenticate', { form: login })).body.authorizationToken;
  const done = async (path: string, form: Record<string, string>) => {
    const { status, body } = await server.post(path, { token, headers: wait, form });
    expect([path, status, body.status]).toEqual([path, 200, 'succeeded']);
    return body;
  };

  const appKey = (await server.get('/public-key/generate-keys', { token })).body;
  const key = await done('/public-key/register-public-key', { publicKey: appKey.publicKey });
  expect(key.body).toEqual({ profileId: registered.body.body.profileId, fingerprint: expect.any(String) });

  const asked = await done('/device/request-unique-identifier', { deviceName: 'attic server' });
  const { body: device } = await server.post('/device/retrieve-unique-identifier', {
    token,
    form: { id: asked.commandId },
  });
  const { deviceIdentifier } = device;
  await done('/device/approve-device', { deviceIdentifier });
  const path = `/device/retrieve-device-configuration/${deviceIdentifier}`;
  const { body: configuration } = await server.get(path, { token });
  const deviceKey = (await server.get('/public-key/generate-keys', { token })).body;
  await done('/public-key/register-public-key', { deviceIdentifier, publicKey: deviceKey.publicKey });
  await done('/storage/register', { deviceIdentifier });
  startDevice(configuration, deviceKey.privateKey);

  const reserved = await server.post('/data-token/reserve-token-space', {
    token,
    form: { context: 'invoices/2026', ttl: '5' },
  });
  const { commandId } = reserved.body;
  expect([reserved.status, reserved.body]).toEqual([202, { commandId, status: 'started' }]);
  let state = 'started';
  while (state === 'started') state = (await server.post(`/request-status/${commandId}`)).body;
  expect(state).toBe('succeeded');
  expect((await server.get(`/request-status/${commandId}`, { token })).body.status).toBe('succeeded');
  const { body: space } = await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, { token });
  expect(space).toEqual({
    token: expect.stringMatching(/^dt_/),
    stream: `${server.url}/upstream/?auth=${space.streamAuthenticationToken}`,
    streamServerId: 'http://127.0.0.1',
    streamServerPort: server.port,
    streamAuthenticationToken: expect.any(String),
    expiresAt: expect.any(String),
  });

  const secret = randomBytes(400);
  const exchanged = await done('/data-token/exchange-data-for-token', {
    temporaryTokenSpace: space.token,
    data: secret.toString('base64'),
  });
  expect(exchanged.body).toEqual({ token: space.token, version: 1, size: 400 });
  const configured = await server.post('/data-token/configure-file-meta', {
    token,
    form: { token: space.token, fileName: 'secret.txt', extension: 'txt' },
  });
  expect([configured.status, configured.body]).toEqual([200, { token: space.token }]);

  const requested = await server.post('/data-token/request-data', {
    token,
    headers: wait,
    form: { token: space.token },
  });
  const { requestId, downloadUrl, expiresAt } = requested.body.body;
  expect(requested.headers.get('x-dpt-cab-request-id')).toBe(requestId);
  expect(requested.body.body).toEqual({ requestId, outputType: 0, size: 400, downloadUrl, expiresAt });
  const download = await fetch(downloadUrl);
  expect(Buffer.from(await download.arrayBuffer()).equals(secret)).toBe(true);
  expect((await fetch(downloadUrl)).status).toBe(401);

  await done('/data-token/delete-data', { token: space.token });
  const gone = await server.post('/data-token/request-data', { token, form: { token: space.token } });
  expect(gone.status).toBe(404);
});
