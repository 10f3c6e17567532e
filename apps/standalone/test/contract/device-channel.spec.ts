import {
  layer2Length,
  parsePublicKey,
  randomBytes,
  sealedStreamLength,
  sealMessage,
  sha256Hex,
  uuid7,
} from '@symbolon/crypto';
import { ManualClock } from '@symbolon/kernel';
import { Deadlines } from '@symbolon/projection';
import { TestDevice, type TestProfile, TestServer, TestSocket } from '@symbolon/testing';

/** Section 16, on a clock that stands until it is moved. */
let clock: ManualClock;
let server: TestServer;
let ada: TestProfile;
let device: TestDevice;

beforeAll(async () => {
  clock = new ManualClock(Date.now());
  server = await TestServer.start({ clock });
  ada = await server.profile();
  device = await TestDevice.of(server, ada);
  await device.connect();
});

afterAll(async () => {
  await device.leave();
  await server.stop();
});

const instantForm = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$/;
const uuidForm = /^[0-9a-f]{8}-[0-9a-f]{4}-[578][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const oneTime = (path: string) => expect.stringMatching(new RegExp(`^${server.url}/${path}/\\?auth=[\\w-]{43}$`));
const isoAfter = (seconds: number) => new Date(clock.millis() + seconds * 1000).toISOString().replace('Z', '+00:00');
const last = (type: string) => device.taken.filter(({ envelope }) => envelope.type === type).at(-1)!;

async function reserve(): Promise<{ token: string; stream: string; expiresAt: string }> {
  const { commandId } = await server.done('/data-token/reserve-token-space', { context: 'a', ttl: 60 }, ada.token);
  return (await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, ada)).body;
}

async function store(bytes: Buffer): Promise<string> {
  const { token, stream } = await reserve();
  const { body } = await server.post(stream, { body: new Uint8Array(bytes), wait: 30 });
  expect(body.status).toBe('succeeded');
  return token;
}

const request = (token: string) =>
  server.post('/data-token/request-data', { json: { token }, token: ada.token, wait: 30 });

/** The most bytes whose layer 2 still travels inline, and one more. */
const most = 65_404;

test('the boundary of what travels inline is that of layer 2', () => {
  expect([layer2Length(most), layer2Length(most + 1)]).toEqual([65_536, 65_537]);
});

describe.each([
  ['inline', most],
  ['by claim check', most + 1],
])('a payload %s', (way, size) => {
  test('is written and read in exactly the messages of section 16.3', async () => {
    const bytes = randomBytes(size);
    const token = await store(bytes);
    const write = last('storage.write');
    expect(write.envelope).toEqual({
      v: 1,
      id: expect.stringMatching(uuidForm),
      type: 'storage.write',
      deviceIdentifier: device.deviceIdentifier,
      correlationId: null,
      at: expect.stringMatching(instantForm),
      body: { sealed: expect.stringMatching(/^[A-Za-z0-9+/]+={0,2}$/) },
      sig: expect.stringMatching(/^[0-9a-f]{128}$/),
    });
    const common = {
      objectId: expect.stringMatching(/^[0-9a-f]{32}$/),
      version: 1,
      size: layer2Length(size),
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    };
    expect(write.content).toEqual(
      way === 'inline'
        ? { ...common, payload: expect.any(String) }
        : { ...common, payloadUrl: oneTime('downstream'), payloadUrlExpiresAt: isoAfter(600) },
    );

    expect((await request(token)).body.status).toBe('succeeded');
    const { objectId } = write.content;
    expect(last('storage.read').content).toEqual(
      way === 'inline'
        ? { objectId, version: 1, uploadUrl: null, uploadUrlExpiresAt: null }
        : { objectId, version: 1, uploadUrl: oneTime('upstream'), uploadUrlExpiresAt: isoAfter(600) },
    );

    const deletions = device.count('storage.delete');
    await server.done('/data-token/delete-data', { token }, ada.token);
    expect((await device.got('storage.delete', deletions + 1)).content).toEqual({ objectId, upToVersion: 1 });
  });
});

test('the URL of a payload is spent by a complete transfer, new with every redelivery, and lives ten minutes', async () => {
  const { token, stream } = await reserve();
  const taken = device.count('storage.write');
  const store = device.behaviour['storage.write']!;
  device.behaviour['storage.write'] = () => undefined;
  const upload = await server.post(stream, { body: new Uint8Array(randomBytes(100_000)) });
  const first = await device.got('storage.write', taken + 1);
  const answer = await fetch(first.content.payloadUrl);
  expect([answer.status, answer.headers.get('content-length')]).toEqual([
    200,
    String(sealedStreamLength(layer2Length(100_000))),
  ]);
  await answer.arrayBuffer();
  expect((await fetch(first.content.payloadUrl)).status).toBe(401);

  clock.advance(30);
  const second = await device.got('storage.write', taken + 2);
  expect(second.envelope.id).toBe(first.envelope.id);
  expect(second.content.payloadUrl).not.toBe(first.content.payloadUrl);
  const { payloadUrl: _, payloadUrlExpiresAt: __, ...same } = first.content;
  expect(second.content).toEqual({ ...same, payloadUrl: oneTime('downstream'), payloadUrlExpiresAt: isoAfter(600) });
  device.behaviour['storage.write'] = store;
  await device.store(second);
  const { body } = await server.get(`/request-status/${upload.body.commandId}`, { token: ada.token, wait: 30 });
  expect(body.body).toEqual({ token, version: 1, size: 100_000 });
});

test('the 60 seconds of a write begin when the last device has read', async () => {
  const { token, stream } = await reserve();
  const taken = device.count('storage.write');
  const store = device.behaviour['storage.write']!;
  device.behaviour['storage.write'] = () => undefined;
  const { body } = await server.post(stream, { body: new Uint8Array(randomBytes(100_000)) });
  const write = await device.got('storage.write', taken + 1);
  clock.advance(59);
  const bytes = await device.download(write.content.payloadUrl);
  const over = 'select 1 from transfer.auth where purpose = $1';
  while ((await server.database.pool.query(over, ['payload'])).rowCount !== 0) await new Promise(setImmediate);
  clock.advance(59);
  await server.served.app.get(Deadlines).runDue();
  expect((await server.post(`/request-status/${body.commandId}`)).body).toBe('started');
  const { objectId, version, sha256 } = write.content;
  expect(sha256Hex(bytes)).toBe(sha256);
  device.say('storage.write_ack', { objectId, version, sha256, storedAt: clock.now() }, write.envelope.id);
  const end = await server.get(`/request-status/${body.commandId}`, { token: ada.token, wait: 30 });
  expect(end.body.body).toEqual({ token, version: 1, size: 100_000 });
  device.behaviour['storage.write'] = store;
});

test('a download auth lives five minutes, an upload auth as long as its reservation', async () => {
  const token = await store(Buffer.from('abc'));
  const [early, late] = [await request(token), await request(token)];
  expect(early.body.body.expiresAt).toBe(isoAfter(300).replace(/\.\d{3}/, ''));
  const { stream, expiresAt } = await reserve();
  clock.advance(299);
  expect((await fetch(early.body.body.downloadUrl)).status).toBe(200);
  clock.advance(1);
  expect((await fetch(late.body.body.downloadUrl)).status).toBe(401);
  clock.advance((Date.parse(expiresAt) - clock.millis()) / 1000 + 1);
  expect((await server.post(stream, { body: 'x' })).status).toBe(401);
});

test('an answer that was fetched is kept for a minute where its message holds the data, else not at all', async () => {
  const waiting = async () => {
    const { rows } = await server.database.pool.query('select request_id from token_vault.download');
    return rows.map((row) => row.request_id);
  };
  for (const [size, kept] of [
    [65_536, true],
    [65_537, false],
  ] as const) {
    const { body } = await request(await store(randomBytes(size)));
    await (await fetch(body.body.downloadUrl)).arrayBuffer();
    while ((await fetch(body.body.downloadUrl)).status !== 401) await new Promise(setImmediate);
    const downloaded = `select 1 from es.event where type = 'data_token.data_downloaded' and data->>'requestId' = $1`;
    while ((await server.database.pool.query(downloaded, [body.body.requestId])).rowCount === 0)
      await new Promise(setImmediate);
    if (kept) expect(await waiting()).toContain(body.body.requestId);
    if (kept) clock.advance(60);
    while ((await waiting()).includes(body.body.requestId)) await new Promise(setImmediate);
  }
});

test('a failed request sends its command’s message and no other', async () => {
  const token = await store(Buffer.from('abc'));
  const give = device.behaviour['storage.read']!;
  device.behaviour['storage.read'] = ({ envelope, content: { objectId, version } }) =>
    void device.say('storage.read_result', { objectId, version, found: false }, envelope.id);
  const socket = await TestSocket.join(server.url, ada.token);
  const { headers, body } = await request(token);
  expect(await socket.end(body.commandId)).toEqual({
    type: 'X-DPT-CAB-ID',
    id: body.commandId,
    command_status: 3,
    body: 'storage.data_missing',
  });
  expect(socket.frames.filter(({ data }) => data?.id === headers.get('x-dpt-cab-request-id'))).toEqual([]);
  device.behaviour['storage.read'] = give;
  await socket.close();
});

test('a message without a valid signature is answered, recorded, and alerts the owner', async () => {
  const socket = await TestSocket.join(server.url, ada.token);
  const errors = device.count('error');
  const id = device.say('storage.delete_ack', {}, null, { sig: '00'.repeat(64) });
  const { envelope, content } = await device.got('error', errors + 1);
  expect(envelope).toMatchObject({ type: 'error', correlationId: id });
  expect(envelope).not.toHaveProperty('sig');
  expect(content).toEqual({
    code: 'device.signature_invalid',
    message: expect.any(String),
    refType: 'storage.delete_ack',
  });
  const alert = await socket.until((frame) => frame.data?.type === 'SECURITY-ALERT');
  expect(alert).toEqual({
    data: {
      type: 'SECURITY-ALERT',
      id: expect.stringMatching(uuidForm),
      body: { kind: 'signature_invalid', poolId: null, commandId: null },
    },
  });
  await socket.close();
});

test('unknown members of an envelope and of a content are ignored', async () => {
  const { token } = await reserve();
  const taken = device.count('storage.write');
  const store = device.behaviour['storage.write']!;
  device.behaviour['storage.write'] = () => undefined;
  const json = { temporaryTokenSpace: token, data: 'AAAA' };
  const { body } = await server.post('/data-token/exchange-data-for-token', { json, token: ada.token });
  const { envelope, content } = await device.got('storage.write', taken + 1);
  const { objectId, version, sha256 } = content;
  const ack = { objectId, version, sha256, storedAt: clock.now(), more: [1] };
  device.say('storage.write_ack', ack, envelope.id, { more: true } as object);
  const end = await server.get(`/request-status/${body.commandId}`, { token: ada.token, wait: 30 });
  expect(end.body.status).toBe('succeeded');
  device.behaviour['storage.write'] = store;
});

test('what was sealed for another envelope cannot be opened', async () => {
  const { publicKey } = (await server.get('/dptcab/public-key')).body;
  const sealed = sealMessage(parsePublicKey(publicKey).raw, `symbolon v1 envelope|${uuid7()}|x|y`, Buffer.from('{}'));
  const unsigned = await TestDevice.of(server, ada, { storage: false, signing: false });
  await unsigned.connect();
  unsigned.say('storage.write_ack', {}, null, { body: { sealed: sealed.toString('base64') } });
  expect((await unsigned.got('error')).content.code).toBe('device.unseal_failed');
  await unsigned.leave();
});
