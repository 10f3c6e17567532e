import { randomBytes, sha256Hex, uuid7 } from '@symbolon/crypto';
import { instant } from '@symbolon/kernel';
import { TestDevice, type TestProfile, TestServer, until } from '@symbolon/testing';

let server: TestServer;
let ada: TestProfile;
let device: TestDevice;

beforeAll(async () => {
  server = await TestServer.start();
});
afterAll(() => server.stop());
beforeEach(async () => {
  ada = await server.profile();
  device = await TestDevice.of(server, ada);
  await device.connect();
});
afterEach(() => device.leave());

const query = async (sql: string, params: unknown[] = []) => (await server.database.pool.query(sql, params)).rows;
const events = async (type: string, tokenId: string) =>
  (
    await query(`select data from es.event where type = $1 and data->>'tokenId' = $2 order by position`, [
      type,
      tokenId,
    ])
  ).map(({ data }) => data);
/** Nothing is open with this device. */
const idle = ({ deviceIdentifier } = device) =>
  until(
    async () =>
      (await query('select 1 from device_router.delivery where device_identifier = $1', [deviceIdentifier])).length ===
      0,
    'every delivery to the device to be over',
  );

interface Reserved {
  readonly token: string;
  readonly stream: string;
}

async function reserve(): Promise<Reserved> {
  const { commandId } = await server.done('/data-token/reserve-token-space', { context: 'tests' }, ada.token);
  return (await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, { token: ada.token })).body;
}

const exchange = (token: string, data: Buffer, wait = 30) =>
  server.post('/data-token/exchange-data-for-token', {
    json: { temporaryTokenSpace: token, data: data.toString('base64') },
    token: ada.token,
    wait,
  });
const upload = ({ stream }: Reserved, data: Buffer) =>
  server.post(stream, { body: new Uint8Array(data), headers: { prefer: 'wait=30' } });
const request = (token: string, wait = 30) =>
  server.post('/data-token/request-data', { json: { token }, token: ada.token, wait });
const fetched = async (token: string): Promise<Buffer> => {
  const { body } = await request(token);
  if (body.status !== 'succeeded') throw new Error(`request ended as ${JSON.stringify(body)}`);
  return Buffer.from(await (await fetch(body.body.downloadUrl)).arrayBuffer());
};
const tokenIdOf = async (objectCount = 1): Promise<string> => {
  const rows = await query('select token_id from device_router.copy where device_identifier = $1', [
    device.deviceIdentifier,
  ]);
  expect(rows).toHaveLength(objectCount);
  return rows[0].token_id;
};

async function stored(
  data = Buffer.from('a secret payload'),
): Promise<{ token: string; tokenId: string; data: Buffer }> {
  const { token } = await reserve();
  const { body } = await exchange(token, data);
  expect(body).toMatchObject({ status: 'succeeded', body: { token, version: 1, size: data.length } });
  return { token, tokenId: await tokenIdOf(), data };
}

describe('a write', () => {
  test('goes to the device sealed and signed, and its acknowledgement makes the data permanent', async () => {
    const { token, tokenId, data } = await stored();
    const { content, envelope } = await device.got('storage.write');
    expect(content).toEqual({
      objectId: expect.stringMatching(/^[0-9a-f]{32}$/),
      version: 1,
      size: device.held.length,
      sha256: sha256Hex(device.held),
      payload: device.held.toString('base64'),
    });
    expect(envelope).toMatchObject({ v: 1, correlationId: null, deviceIdentifier: device.deviceIdentifier });
    expect(device.held.includes(data)).toBe(false);
    expect(await events('storage.write_dispatched', tokenId)).toEqual([
      { tokenId, version: 1, deviceIdentifier: device.deviceIdentifier },
    ]);
    expect(await events('storage.write_acknowledged', tokenId)).toEqual([
      { tokenId, version: 1, deviceIdentifier: device.deviceIdentifier, sha256: content.sha256, signed: true },
    ]);
    expect(await fetched(token)).toEqual(data);
    const { body } = await server.get('/storage/list-storage-devices', { token: ada.token });
    expect(body.items[0]).toMatchObject({ online: true, tokensHeld: 1, lastSeenAt: expect.any(String) });
  });

  test('of a large payload is fetched by the device, and given back by upload', async () => {
    const reserved = await reserve();
    const data = randomBytes(300_000);
    const { body } = await upload(reserved, data);
    expect(body).toMatchObject({ status: 'succeeded', body: { size: 300_000 } });
    const { content } = await device.got('storage.write');
    expect(content).not.toHaveProperty('payload');
    expect((await fetch(content.payloadUrl)).status).toBe(401); // spent
    expect(await fetched(reserved.token)).toEqual(data);
    expect((await device.got('storage.read')).content.uploadUrl).toMatch(/\?auth=/);
  });

  test.each([65_000, 65_536, 66_000])('and back of %i bytes around the inline limit', async (size) => {
    const reserved = await reserve();
    const data = randomBytes(size);
    expect((await upload(reserved, data)).body.status).toBe('succeeded');
    expect(await fetched(reserved.token)).toEqual(data);
  });

  test('waits for a device that is away, and comes as soon as it is back', async () => {
    await device.leave();
    const { token } = await reserve();
    const { body } = await exchange(token, Buffer.from('later'), 0);
    await device.connect();
    await device.got('storage.write');
    const done = await server.get(`/request-status/${body.commandId}`, { token: ada.token, wait: 30 });
    expect(done.body.status).toBe('succeeded');
  });

  test('that was taken by the carrier but not answered is repeated on the next connection, under the same id', async () => {
    device.behaviour['storage.write'] = () => undefined;
    const { token } = await reserve();
    const { body } = await exchange(token, Buffer.from('twice'), 0);
    const first = await device.got('storage.write');
    await device.leave();
    device.behaviour['storage.write'] = (taken) => device.store(taken);
    await device.connect();
    const second = await device.got('storage.write', 2);
    expect(second.envelope.id).toBe(first.envelope.id);
    expect(second.envelope.at).toBe(first.envelope.at);
    const done = await server.get(`/request-status/${body.commandId}`, { token: ada.token, wait: 30 });
    expect(done.body.status).toBe('succeeded');
  });

  test('of which a device acknowledges other bytes does not count, and goes again', async () => {
    device.behaviour['storage.write'] = ({ envelope, content }) =>
      void device.say('storage.write_ack', { ...content, sha256: 'ab'.repeat(32) }, envelope.id);
    const { token } = await reserve();
    const { body } = await exchange(token, Buffer.from('mistaken'), 0);
    const { envelope, content } = await device.got('error');
    expect(content).toEqual({
      code: 'storage.digest_mismatch',
      message: expect.any(String),
      refType: 'storage.write_ack',
    });
    expect(envelope.correlationId).toMatch(/^[0-9a-f-]{36}$/);
    expect((await server.get(`/request-status/${body.commandId}`, { token: ada.token })).body.status).toBe('started');
    device.behaviour['storage.write'] = (taken) => device.store(taken);
    await device.leave();
    await device.connect();
    const done = await server.get(`/request-status/${body.commandId}`, { token: ada.token, wait: 30 });
    expect(done.body.status).toBe('succeeded');
  });

  test('leaves no parcel behind once every device has it', async () => {
    const second = await TestDevice.of(server, ada);
    const { tokenId } = await stored();
    const parcels = () => query('select parcel_id from device_router.parcel where token_id = $1', [tokenId]);
    expect(await parcels()).toHaveLength(1);
    await second.connect();
    await second.got('storage.write');
    await until(async () => (await parcels()).length === 0, 'no parcel');
    expect([...second.objects.keys()]).not.toEqual([...device.objects.keys()]); // each device has an id of its own
    expect(second.held).toEqual(device.held);
    await second.leave();
  });

  test('to one device is not held up by another that takes nothing', async () => {
    const stuck = await TestDevice.of(server, ada);
    stuck.acking = false;
    stuck.behaviour['storage.write'] = () => undefined;
    await stuck.connect();
    const all = await Promise.all(
      Array.from({ length: 120 }, async () => exchange((await reserve()).token, Buffer.from('many'))),
    );
    expect(new Set(all.map(({ body }) => body.status))).toEqual(new Set(['succeeded']));
    await until(async () => stuck.count('storage.write') === 100, 'a window of writes at the device'); // a window's worth
    await stuck.leave();
  });
});

describe('messages of a device', () => {
  test('have their effect once, whatever comes again: C7', async () => {
    const { tokenId } = await stored();
    const write = await device.got('storage.write');
    const { objectId, version, sha256 } = write.content;
    const ack = { objectId, version, sha256, storedAt: instant(Date.now()) };
    const at = instant(Date.now());
    const id = uuid7();
    for (let times = 0; times < 3; times++) device.say('storage.write_ack', ack, write.envelope.id, { id, at });
    await device.until(() => device.acks.has(id));
    await idle();
    expect(await events('storage.write_acknowledged', tokenId)).toHaveLength(1);
    expect(device.count('error')).toBe(0);
  });

  test('are dropped when they are older than seven days', async () => {
    device.behaviour['storage.write'] = () => undefined;
    const { token } = await reserve();
    const { body } = await exchange(token, Buffer.from('old'), 0);
    const write = await device.got('storage.write');
    const { objectId, version, sha256 } = write.content;
    const at = instant(Date.now() - 7 * 24 * 3600 * 1000 - 1000);
    const id = device.say('storage.write_ack', { objectId, version, sha256 }, write.envelope.id, { at });
    await device.until(() => device.acks.has(id));
    expect((await server.get(`/request-status/${body.commandId}`, { token: ada.token })).body.status).toBe('started');
    await device.store(write);
    const done = await server.get(`/request-status/${body.commandId}`, { token: ada.token, wait: 30 });
    expect(done.body.status).toBe('succeeded');
  });

  test('get the same answer again under the same id', async () => {
    const id = device.say('storage.write_ack', { nonsense: true });
    const first = await device.got('error');
    expect(first.content.code).toBe('device.envelope_invalid');
    device.say('storage.write_ack', { nonsense: true }, null, { id });
    const second = await device.got('error', 2);
    expect(second.content).toEqual(first.content);
    expect(second.envelope.correlationId).toBe(id);
  });

  test('without a valid signature are dropped, answered and recorded', async () => {
    device.behaviour['storage.write'] = () => undefined;
    const { token } = await reserve();
    const { body } = await exchange(token, Buffer.from('forged'), 0);
    const write = await device.got('storage.write');
    const { objectId, version, sha256 } = write.content;
    const ack = { objectId, version, sha256, storedAt: instant(Date.now()) };
    const ids = [
      device.say('storage.write_ack', ack, write.envelope.id, { sig: '00'.repeat(64) }),
      device.say('storage.write_ack', ack, write.envelope.id, { sig: undefined as never }),
    ];
    await device.got('error', 2);
    const answers = device.taken.filter(({ envelope }) => envelope.type === 'error');
    expect(answers.map(({ content }) => content.code)).toEqual([
      'device.signature_invalid',
      'device.signature_invalid',
    ]);
    const recorded = await query(
      `select data from es.event where type = 'device.message_rejected' and data->>'deviceIdentifier' = $1 order by position`,
      [device.deviceIdentifier],
    );
    expect(recorded.map(({ data }) => data)).toEqual(
      expect.arrayContaining(
        ids.map((envelopeId) => ({
          deviceIdentifier: device.deviceIdentifier,
          envelopeId,
          messageType: 'storage.write_ack',
          reason: 'device.signature_invalid',
        })),
      ),
    );
    const alerts = await query(
      `select data from es.event where type = 'security.alert_raised' and data->>'profileId' = $1`,
      [ada.profileId],
    );
    expect(alerts).toHaveLength(2);
    expect(alerts[0].data).toMatchObject({ kind: 'signature_invalid', deviceIdentifier: device.deviceIdentifier });
    expect((await server.get(`/request-status/${body.commandId}`, { token: ada.token })).body.status).toBe('started');
    await device.store(write);
    expect((await server.get(`/request-status/${body.commandId}`, { token: ada.token, wait: 30 })).body.status).toBe(
      'succeeded',
    );
  });

  test('need no signature where the device has no signing key, and one that it sends is ignored', async () => {
    const owner = await server.profile();
    const plain = await TestDevice.of(server, owner, { signing: false });
    await plain.connect();
    plain.behaviour['storage.write'] = ({ envelope, content: { objectId, version, sha256 } }) =>
      void plain.say('storage.write_ack', { objectId, version, sha256 }, envelope.id, { sig: '00'.repeat(64) });
    ada = owner;
    const { token } = await reserve();
    expect((await exchange(token, Buffer.from('plain'))).body.status).toBe('succeeded');
    await plain.leave();
  });

  test('of every other kind do no harm', async () => {
    const other = uuid7();
    const frames: unknown[] = [
      'no json',
      '{}',
      [],
      { v: 1, id: uuid7() },
      {
        v: 1,
        id: uuid7(),
        type: 'storage.write_ack',
        deviceIdentifier: other,
        correlationId: null,
        at: instant(Date.now()),
        body: {},
      },
      {
        v: 1,
        id: uuid7(),
        type: 'unheard.of',
        deviceIdentifier: device.deviceIdentifier,
        correlationId: null,
        at: instant(Date.now()),
        body: { sealed: 'AAAA' },
      },
      { v: 1, id: uuid7(), type: 'error', deviceIdentifier: other, correlationId: null, at: 'x', body: {} },
    ];
    for (const frame of frames) device.sendFrame(frame);
    device.say('storage.write_ack', { objectId: 'x' });
    device.say('storage.read_result', null);
    device.say('storage.write_ack', {}, null, { body: { sealed: 'not base64!' }, sig: 'ab'.repeat(64) });
    await device.got('error', 9);
    const codes = device.taken.filter(({ envelope }) => envelope.type === 'error').map(({ content }) => content.code);
    expect(new Set(codes)).toEqual(new Set(['device.envelope_invalid']));
    await stored();
  });

  test('that cannot be unsealed are answered so', async () => {
    const plain = await TestDevice.of(server, ada, { signing: false });
    await plain.connect();
    const foreign = { sealed: randomBytes(120).toString('base64') };
    const id = plain.say('storage.write_ack', {}, null, { body: foreign });
    expect((await plain.got('error')).content).toMatchObject({ code: 'device.unseal_failed' });
    // sealed to the server, but for another envelope
    plain.say('storage.write_ack', {}, null, { id: uuid7() });
    const swapped = plain.say('storage.delete_ack', {}, null, { type: 'storage.write_ack' });
    await plain.got('error', 3);
    expect([id, swapped].every((one) => plain.acks.has(one))).toBe(true);
    await plain.leave();
  });

  test('pings are answered', async () => {
    const id = uuid7();
    device.sendFrame({
      v: 1,
      id,
      type: 'device.ping',
      deviceIdentifier: device.deviceIdentifier,
      correlationId: null,
      at: instant(Date.now()),
      body: {},
    });
    const { envelope } = await device.got('device.pong');
    expect(envelope).toMatchObject({ correlationId: id, body: {} });
  });
});

describe('a read', () => {
  test('of which the device gives other bytes ends as corrupt: C2', async () => {
    const { token, tokenId } = await stored();
    device.behaviour['storage.read'] = (taken) =>
      device.giveBack(taken, (bytes) => Buffer.concat([bytes, Buffer.from([0])]));
    expect((await request(token)).body).toMatchObject({ status: 'rejected', reason: 'storage.data_corrupt' });
    expect(await events('storage.read_failed', tokenId)).toEqual([
      expect.objectContaining({ deviceIdentifier: device.deviceIdentifier, reason: 'corrupt' }),
    ]);
  });

  test.each<[string, (taken: Parameters<TestDevice['giveBack']>[0], other: Buffer) => void]>([
    [
      'bytes of its own making under the right digest',
      ({ envelope, content: { objectId, version } }) => {
        const bytes = randomBytes(device.held.length);
        device.say(
          'storage.read_result',
          {
            objectId,
            version,
            found: true,
            size: bytes.length,
            sha256: sha256Hex(device.held),
            payload: bytes.toString('base64'),
          },
          envelope.id,
        );
      },
    ],
    [
      'bytes of its own making under their digest',
      ({ envelope, content: { objectId, version } }) => {
        const bytes = randomBytes(device.held.length);
        device.say(
          'storage.read_result',
          {
            objectId,
            version,
            found: true,
            size: bytes.length,
            sha256: sha256Hex(bytes),
            payload: bytes.toString('base64'),
          },
          envelope.id,
        );
      },
    ],
    [
      "another token's bytes",
      ({ envelope, content: { objectId, version } }, other) =>
        device.say(
          'storage.read_result',
          {
            objectId,
            version,
            found: true,
            size: other.length,
            sha256: sha256Hex(other),
            payload: other.toString('base64'),
          },
          envelope.id,
        ),
    ],
    [
      "another token's object",
      ({ envelope, content: { version } }, other) =>
        device.say(
          'storage.read_result',
          {
            objectId: 'f'.repeat(32),
            version,
            found: true,
            size: other.length,
            sha256: sha256Hex(other),
            payload: other.toString('base64'),
          },
          envelope.id,
        ),
    ],
    [
      'another version',
      ({ envelope, content: { objectId } }) =>
        device.say(
          'storage.read_result',
          {
            objectId,
            version: 2,
            found: true,
            size: device.held.length,
            sha256: sha256Hex(device.held),
            payload: device.held.toString('base64'),
          },
          envelope.id,
        ),
    ],
    ['garbage', ({ envelope }) => device.say('storage.read_result', { any: 'thing' }, envelope.id)],
  ])('answered with %s ends as corrupt: C2', async (_, lie) => {
    const { token } = await stored();
    const other = randomBytes(device.held.length);
    device.behaviour['storage.read'] = (taken) => lie(taken, other);
    expect((await request(token)).body).toMatchObject({ status: 'rejected', reason: 'storage.data_corrupt' });
    device.behaviour['storage.read'] = (taken) => device.giveBack(taken);
    expect(await fetched(token)).toEqual(Buffer.from('a secret payload'));
  });

  test('of which the only device says that its bytes are damaged is over at once', async () => {
    const { token } = await stored();
    device.behaviour['storage.read'] = ({ envelope }) =>
      void device.say('error', null, envelope.id, {
        body: { code: 'storage.digest_mismatch', message: 'the blob is damaged', refType: 'storage.read' },
      });
    expect((await request(token)).body).toMatchObject({ status: 'rejected', reason: 'storage.data_corrupt' });
  });

  test('is answered by the honest one of several devices', async () => {
    const second = await TestDevice.of(server, ada);
    await second.connect();
    const { token, data } = await stored();
    await idle(device);
    await idle(second);
    const failed = device.got('error');
    device.behaviour['storage.read'] = (taken) => device.giveBack(taken, (bytes) => bytes.subarray(1));
    second.behaviour['storage.read'] = async (taken) => {
      await failed; // the liar comes first
      await second.giveBack(taken);
    };
    expect(await fetched(token)).toEqual(data);
    await second.leave();
  });

  test('of what the device has lost ends as missing', async () => {
    const { token } = await stored();
    device.objects.clear();
    expect((await request(token)).body).toMatchObject({ status: 'rejected', reason: 'storage.data_missing' });
  });

  test('of a large object: a wrong upload is refused and counts as corrupt', async () => {
    const reserved = await reserve();
    const data = randomBytes(100_000);
    expect((await upload(reserved, data)).body.status).toBe('succeeded');
    let status = 0;
    device.behaviour['storage.read'] = async ({ content }) => {
      status = await device.upload(content.uploadUrl, randomBytes(device.held.length));
    };
    expect((await request(reserved.token)).body).toMatchObject({ status: 'rejected', reason: 'storage.data_corrupt' });
    await until(async () => status === 400, 'the upload to be refused');
    for (const spoil of [(bytes: Buffer) => bytes.subarray(1), (bytes: Buffer) => Buffer.concat([bytes, bytes])]) {
      device.behaviour['storage.read'] = async ({ content }) =>
        void (await device.upload(content.uploadUrl, spoil(device.held)));
      expect((await request(reserved.token)).body.reason).toBe('storage.data_corrupt');
    }
    device.behaviour['storage.read'] = (taken) => device.giveBack(taken);
    expect(await fetched(reserved.token)).toEqual(data);
  });

  test('claimed to be uploaded without an upload is not an answer', async () => {
    const reserved = await reserve();
    const data = randomBytes(100_000);
    await upload(reserved, data);
    device.behaviour['storage.read'] = async (taken) => {
      const { objectId, version } = taken.content;
      device.say(
        'storage.read_result',
        { objectId, version, found: true, size: device.held.length, sha256: sha256Hex(device.held), uploaded: true },
        taken.envelope.id,
      );
      await device.got('error');
      await device.giveBack(taken);
    };
    expect(await fetched(reserved.token)).toEqual(data);
    expect((await device.got('error')).content.code).toBe('device.envelope_invalid');
  });
});

describe('a deletion', () => {
  test('reaches the device and is acknowledged', async () => {
    const { token, tokenId } = await stored();
    await server.done('/data-token/delete-data', { token }, ada.token);
    const { content } = await device.got('storage.delete');
    expect(content).toEqual({ objectId: expect.stringMatching(/^[0-9a-f]{32}$/), upToVersion: 1 });
    await idle();
    expect(device.objects.size).toBe(0);
    expect(await events('storage.delete_dispatched', tokenId)).toHaveLength(1);
    expect(await events('storage.delete_acknowledged', tokenId)).toEqual([
      { tokenId, upToVersion: 1, deviceIdentifier: device.deviceIdentifier },
    ]);
    const { body } = await server.get('/storage/list-storage-devices', { token: ada.token });
    expect(body.items[0].tokensHeld).toBe(0);
  });

  test('voids what was still to be written', async () => {
    const late = await TestDevice.of(server, ada);
    const { token } = await stored();
    await server.done('/data-token/delete-data', { token }, ada.token);
    await late.connect();
    await late.got('storage.delete');
    await idle(late);
    expect(late.count('storage.write')).toBe(0);
    await late.leave();
  });
});

describe('the channel', () => {
  test('ends with a rotation, and takes the new secret only', async () => {
    const { body } = await server.get(`/device/retrieve-device-configuration/${device.deviceIdentifier}?rotate=true`, {
      token: ada.token,
    });
    await device.until(() => device.closeCode !== null);
    expect(device.closeCode).toBe(4401);
    await expect(device.connect()).rejects.toThrow('401');
    Object.assign(device, { configuration: body });
    await device.connect();
    await stored();
  });

  test('shows the device as online and seen', async () => {
    const { body } = await server.get('/device/retrieve-profile-devices', { token: ada.token });
    expect(body.items[0]).toMatchObject({ online: true, roles: ['storage'], lastSeenAt: expect.any(String) });
  });
});

test('what a restart interrupts goes on afterwards, and ids are known over it: C7', async () => {
  let own = await TestServer.start();
  const profile = await own.profile();
  const far = await TestDevice.of(own, profile);
  far.behaviour['storage.write'] = () => undefined;
  await far.connect();
  const { commandId } = await own.done('/data-token/reserve-token-space', { context: 'tests' }, profile.token);
  const { body: reserved } = await own.get(`/data-token/retrieve-temporary-data-token/${commandId}`, {
    token: profile.token,
  });
  const { body: started } = await own.post('/data-token/exchange-data-for-token', {
    json: { temporaryTokenSpace: reserved.token, data: 'YWJj' },
    token: profile.token,
  });
  const first = await far.got('storage.write');
  const known = far.say('storage.write_ack', { wrong: true });
  await far.got('error');
  await own.stop({ keep: true });
  const { database, dataDir, port } = own;
  own = await TestServer.start({ on: { database, dataDir, port } });
  await far.leave();
  await far.connect();
  const again = await far.got('storage.write', 2);
  expect(again.envelope.id).toBe(first.envelope.id);
  far.say('storage.write_ack', { wrong: true }, null, { id: known });
  expect((await far.got('error', 2)).envelope.correlationId).toBe(known);
  await far.store(first); // the answer to what was sent before the restart
  const { body } = await own.get(`/request-status/${started.commandId}`, { token: profile.token, wait: 30 });
  expect(body.status).toBe('succeeded');
  await far.leave();
  await own.stop();
});
