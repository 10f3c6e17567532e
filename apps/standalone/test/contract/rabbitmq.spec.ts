import { randomBytes, uuid7 } from '@symbolon/crypto';
import { TestBroker, TestDevice, type TestProfile, TestServer, until } from '@symbolon/testing';
import { connect } from 'amqplib';

/** Section 16 with RabbitMQ configured. */
let broker: TestBroker;
let server: TestServer;
let ada: TestProfile;
let device: TestDevice;

beforeAll(async () => {
  broker = await TestBroker.start();
  server = await TestServer.start({ environment: broker.environment });
  await up(server);
  ada = await server.profile();
  device = await TestDevice.of(server, ada);
  await device.connectByBroker();
}, 90_000);

afterAll(async () => {
  await device?.leave();
  await server?.stop();
  await broker?.stop();
}, 60_000);

const up = (of: TestServer) => until(async () => (await of.get('/health')).status === 200, 'the server to be healthy');
const vhost = '/queues/symbolon';
const queue = ({ deviceIdentifier }: TestDevice) => broker.manage('GET', `${vhost}/device.${deviceIdentifier}`);
/** Messages that lie in a device's queue; the figures of the management API come late. */
async function depth({ deviceIdentifier }: TestDevice): Promise<number> {
  const connection = await connect(`${broker.url}/symbolon`);
  const { messageCount } = await (await connection.createChannel()).checkQueue(`device.${deviceIdentifier}`);
  await connection.close();
  return messageCount;
}
const user = ({ deviceIdentifier }: TestDevice) => broker.manage('GET', `/users/device-${deviceIdentifier}`);
const configuration = async (deviceIdentifier: string, { token } = ada, query = '') =>
  (await server.get(`/device/retrieve-device-configuration/${deviceIdentifier}${query}`, { token })).body;
const withConfiguration = (of: TestDevice, body: object): TestDevice => {
  Object.assign(of.configuration, body);
  return of;
};

async function reserve({ token } = ada): Promise<{ token: string; stream: string }> {
  const { commandId } = await server.done('/data-token/reserve-token-space', { context: 'a', ttl: 60 }, token);
  return (await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, { token })).body;
}
const exchange = (temporaryTokenSpace: string, data: Buffer, { token } = ada, wait = 30) =>
  server.post('/data-token/exchange-data-for-token', {
    json: { temporaryTokenSpace, data: data.toString('base64') },
    token,
    wait,
  });
const request = (dataToken: string, { token } = ada, wait = 30) =>
  server.post('/data-token/request-data', { json: { token: dataToken }, token, wait });
async function store(data: Buffer, by = ada): Promise<string> {
  const { token, stream } = await reserve(by);
  const { body } = await server.post(stream, { body: new Uint8Array(data), wait: 30 });
  expect(body).toMatchObject({ status: 'succeeded' });
  return token;
}
async function fetched(dataToken: string, by = ada): Promise<Buffer> {
  const { body } = await request(dataToken, by);
  expect(body).toMatchObject({ status: 'succeeded' });
  return Buffer.from(await (await fetch(body.body.downloadUrl)).arrayBuffer());
}

describe('a device that reads its queue', () => {
  test.each([
    ['inline', 1000],
    ['by claim check', 300_000],
  ])('stores and gives back what travels %s', async (_, size) => {
    const data = randomBytes(size);
    expect(await fetched(await store(data))).toEqual(data);
  });

  test('gets messages with the properties of section 16.7, and counts as online with what it says', async () => {
    const other = await TestDevice.of(server, ada, { storage: false });
    const listed = async () =>
      (await server.get('/device/retrieve-profile-devices', { token: ada.token })).body.items.find(
        ({ deviceIdentifier }: any) => deviceIdentifier === other.deviceIdentifier,
      );
    expect(await listed()).toMatchObject({ online: false, lastSeenAt: null });
    await other.connectByBroker();
    expect((await listed()).online).toBe(false);
    const head = { v: 1, deviceIdentifier: other.deviceIdentifier, correlationId: null, body: {} };
    const ping = { ...head, id: uuid7(), type: 'device.ping', at: new Date().toISOString() };
    other.sendFrame(ping);
    const { envelope } = await other.got('device.pong');
    expect(envelope).toMatchObject({ correlationId: ping.id, body: {} });
    expect(await listed()).toMatchObject({ online: true, lastSeenAt: expect.any(String) });
    await other.leave();
  });

  test('is served by its WebSocket while it has one, and by its queue again afterwards', async () => {
    const by = await server.profile();
    const one = await TestDevice.of(server, by);
    await one.connect();
    const first = randomBytes(100);
    const token = await store(first, by);
    expect(await depth(one)).toBe(0);
    await one.leave();
    const reading = request(token, by);
    await until(async () => (await depth(one)) > 0, 'a message in the queue');
    await one.connectByBroker();
    expect((await reading).body.status).toBe('succeeded');
    await one.leave();
  });

  test('is spoken to in a queue that waits for it, also when the server was started anew', async () => {
    const by = await server.profile();
    const one = await TestDevice.of(server, by);
    const { token } = await reserve(by);
    const data = randomBytes(500);
    const storing = await exchange(token, data, by, 0);
    await until(async () => (await depth(one)) > 0, 'a message in the queue');
    const { database, dataDir, port } = server;
    await server.stop({ keep: true });
    server = await TestServer.start({ environment: broker.environment, on: { database, dataDir, port } });
    await up(server);
    await one.connectByBroker();
    const { commandId } = storing.body;
    const { body } = await server.get(`/request-status/${commandId}`, { token: by.token, wait: 30 });
    expect(body.status).toBe('succeeded');
    expect(await fetched(token, by)).toEqual(data);
    await one.leave();
  });
});

describe('the configuration', () => {
  const names = ['user', 'host', 'port', 'vhost', 'queue'];

  test('has the rabbit keys, its password once, and a new one with rotate', async () => {
    const { body } = await server.done('/device/request-unique-identifier', { deviceName: 'a' }, ada.token);
    const { deviceIdentifier } = body;
    await server.done('/device/approve-device', { deviceIdentifier }, ada.token);
    const first = await configuration(deviceIdentifier);
    expect(first).toMatchObject({
      'rabbit-user': `device-${deviceIdentifier}`,
      'rabbit-pass': expect.stringMatching(/^[\w-]{43}$/),
      'rabbit-host': '127.0.0.1',
      'rabbit-port': broker.port,
      'rabbit-vhost': 'symbolon',
      'rabbit-queue': `device.${deviceIdentifier}`,
    });
    expect(first['rabbit-pass']).not.toBe(first['client-secret']);
    const later = await configuration(deviceIdentifier);
    expect(later).not.toHaveProperty('rabbit-pass');
    for (const name of names) expect(later[`rabbit-${name}`]).toEqual(first[`rabbit-${name}`]);
    const rotated = await configuration(deviceIdentifier, ada, '?rotate=true');
    expect(rotated['rabbit-pass']).toMatch(/^[\w-]{43}$/);
    expect(rotated['rabbit-pass']).not.toBe(first['rabbit-pass']);
    expect(await configuration(deviceIdentifier)).not.toHaveProperty('rabbit-pass');
  });

  test('lets in with the newest password alone, and ends connections at once', async () => {
    const one = await TestDevice.of(server, ada, { storage: false });
    await one.connectByBroker();
    const rotated = await configuration(one.deviceIdentifier, ada, '?rotate=true');
    await one.until(() => !one.byBroker);
    await expect(one.connectByBroker()).rejects.toThrow(/ACCESS.REFUSED/);
    await withConfiguration(one, rotated).connectByBroker();
    await one.leave();
  });

  test('is not there for a device before its approval, nor its queue', async () => {
    const { body } = await server.done('/device/request-unique-identifier', { deviceName: 'b' }, ada.token);
    const { deviceIdentifier } = body;
    expect(await broker.manage('GET', `${vhost}/device.${deviceIdentifier}`)).toBeNull();
    await server.done('/device/approve-device', { deviceIdentifier }, ada.token);
    expect(await broker.manage('GET', `${vhost}/device.${deviceIdentifier}`)).toMatchObject({ durable: true });
  });
});

describe('accounts at the broker follow the log', () => {
  test('a rejected device has none, whatever was there', async () => {
    const { body } = await server.done('/device/request-unique-identifier', { deviceName: 'c' }, ada.token);
    const { deviceIdentifier } = body;
    const name = `device-${deviceIdentifier}`;
    await broker.manage('PUT', `/users/${name}`, { password: 'x', tags: '' });
    await server.done('/device/reject-device', { deviceIdentifier }, ada.token);
    expect(await broker.manage('GET', `/users/${name}`)).toBeNull();
  });

  test('a removed device has neither user nor queue any more, and its connection ends', async () => {
    const one = await TestDevice.of(server, ada);
    await one.connectByBroker();
    await server.done('/device/remove', { deviceIdentifier: one.deviceIdentifier }, ada.token);
    expect([await user(one), await queue(one)]).toEqual([null, null]);
    await one.until(() => !one.byBroker);
    await expect(one.connectByBroker()).rejects.toThrow(/ACCESS.REFUSED/);
  });

  test('what went missing is made again, what does not belong goes, and strangers are let alone', async () => {
    const one = await TestDevice.of(server, ada, { storage: false });
    const { body } = await server.done('/device/request-unique-identifier', { deviceName: 'd' }, ada.token);
    const unwanted = `device.${body.deviceIdentifier}`;
    const stranger = `device.${uuid7()}`;
    const { database, dataDir, port } = server;
    await server.stop({ keep: true });
    await broker.manage('DELETE', `/users/device-${one.deviceIdentifier}`);
    await broker.manage('DELETE', `${vhost}/device.${one.deviceIdentifier}`);
    for (const name of [unwanted, stranger]) await broker.manage('PUT', `${vhost}/${name}`, { durable: true });
    server = await TestServer.start({ environment: broker.environment, on: { database, dataDir, port } });
    await up(server);
    await until(async () => (await queue(one)) !== null && (await user(one)) !== null, 'queue and user of the device');
    await until(
      async () => (await broker.manage('GET', `${vhost}/${unwanted}`)) === null,
      'the unwanted queue to be gone',
    );
    expect(await broker.manage('GET', `${vhost}/${stranger}`)).not.toBeNull();
    await until(
      () =>
        one.connectByBroker().then(
          () => true,
          () => false,
        ),
      'the broker to let the device in',
    );
    await one.leave();
    await broker.manage('DELETE', `${vhost}/${stranger}`);
    if (!device.byBroker) await device.connectByBroker();
  });

  test('a queue that somebody deletes comes back with the next message, which is not lost', async () => {
    const by = await server.profile();
    const one = await TestDevice.of(server, by);
    await broker.manage('DELETE', `${vhost}/device.${one.deviceIdentifier}`);
    const { token } = await reserve(by);
    const storing = exchange(token, randomBytes(100), by);
    await until(async () => (await queue(one)) !== null && (await depth(one)) > 0, 'a message in the queue');
    await one.connectByBroker();
    expect((await storing).body.status).toBe('succeeded');
    await one.leave();
  });
});

describe('messages of devices', () => {
  test('count for the user who sent them, whatever the envelope says', async () => {
    const [one, other] = [await TestDevice.of(server, ada, { storage: false }), uuid7()];
    await one.connectByBroker();
    one.say('storage.write_ack', {}, null, { deviceIdentifier: other });
    expect((await one.got('error')).content.code).toBe('device.envelope_invalid');
    await one.leave();
  });

  test('that are no JSON or too long are confirmed and answered', async () => {
    const one = await TestDevice.of(server, ada, { storage: false });
    await one.connectByBroker();
    for (const [count, text] of ['no JSON', JSON.stringify({ a: 'a'.repeat(262_144) })].entries()) {
      one.sendFrame(text);
      const { content, envelope } = await one.got('error', count + 1);
      expect([content.code, envelope.correlationId]).toEqual(['device.envelope_invalid', null]);
    }
    await until(
      async () => (await broker.manage('GET', `${vhost}/symbolon.server`)).messages === 0,
      'the server’s queue to be empty',
    );
    await one.leave();
  });

  test('that name no device are dropped, and hold up nobody', async () => {
    const connection = await connect(`${broker.url}/symbolon`);
    const channel = await connection.createConfirmChannel();
    for (const key of ['nobody', 'symbolon.write_ack', `${uuid7()}.error`])
      channel.publish('symbolon.devices', key, Buffer.from('{}'));
    await channel.waitForConfirms();
    await connection.close();
    const data = randomBytes(10);
    expect(await fetched(await store(data))).toEqual(data);
  });
});

describe('while RabbitMQ is away', () => {
  test('what needs it is refused with 503 and not recorded, and goes on when it is back', async () => {
    const by = await server.profile();
    const [queued, socketed] = [await TestDevice.of(server, ada), await TestDevice.of(server, by)];
    await socketed.connect();
    const [inline, streamed, kept] = [await reserve(), await reserve(), await store(randomBytes(20))];
    const theirs = await store(randomBytes(30), by);
    const calls = [
      () => exchange(inline.token, randomBytes(10)),
      () => server.post(streamed.stream, { body: 'abc', wait: 30 }),
      () => request(kept),
      () =>
        server.post('/data-token/update-data', { json: { dataToken: kept, data: 'AAAA' }, token: ada.token, wait: 30 }),
    ];
    const synchronize = () =>
      server.post('/storage/synchronize', { json: { deviceIdentifier: device.deviceIdentifier }, token: ada.token });
    await broker.halt();
    await until(async () => (await server.get('/health')).status === 503, 'the server to be degraded');
    expect((await server.get('/health')).body).toMatchObject({ status: 'degraded', checks: { rabbitmq: 'down' } });
    expect((await server.get('/health/ready')).status).toBe(200);
    const count = async () => (await server.database.pool.query('select count(*) from es.event')).rows[0].count;
    const before = await count();
    for (const [index, call] of [...calls, synchronize].entries()) {
      const { status, body, headers } = await call();
      expect([index, status, body.code]).toEqual([index, 503, 'dependency_unavailable']);
      expect(headers.get('retry-after')).toMatch(/^\d+$/);
    }
    expect(await count()).toBe(before);
    // Who is connected by WebSocket is served; whoever needs no device at all as well.
    expect((await fetched(theirs, by)).length).toBe(30);
    const lonely = await server.profile();
    const { token } = await reserve(lonely);
    expect((await exchange(token, randomBytes(5), lonely)).body).toMatchObject({ reason: 'storage.no_devices' });
    // Approvals and rotations do not wait for the broker.
    const rotated = await configuration(device.deviceIdentifier, ada, '?rotate=true');
    const { body } = await server.done('/device/request-unique-identifier', { deviceName: 'e' }, ada.token);
    await server.done('/device/approve-device', { deviceIdentifier: body.deviceIdentifier }, ada.token);

    await broker.begin();
    await up(server);
    await until(
      async () => (await broker.manage('GET', `/users/device-${body.deviceIdentifier}`)) !== null,
      'the broker to know the user',
    );
    withConfiguration(device, rotated);
    await until(
      () =>
        device.connectByBroker().then(
          () => true,
          () => false,
        ),
      'the broker to let the device in',
    );
    for (const call of calls) expect((await call()).body).toMatchObject({ status: 'succeeded' });
    await queued.leave();
    await socketed.leave();
  }, 120_000);
});
