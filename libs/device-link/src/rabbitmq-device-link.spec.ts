import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { uuid7 } from '@symbolon/crypto';
import { SystemClock } from '@symbolon/kernel';
import { Settings } from '@symbolon/settings';
import { TestBroker, until } from '@symbolon/testing';
import { type Channel, type ChannelModel, type ConfirmChannel, connect, type ConsumeMessage } from 'amqplib';
import type { Envelope } from './device-link';
import { deviceLinkContract, type FarEnd, type LinkUnderTest } from './device-link.contract';
import { RabbitMqDeviceLink } from './rabbitmq-device-link';
import { RabbitMqManagement } from './rabbitmq-management';

const password = 'a password of one device';
const log = { warn: () => undefined };
let broker: TestBroker;
let vhosts = 0;

beforeAll(async () => {
  broker = await TestBroker.start();
}, 90_000);
afterAll(() => broker.stop());

/** A link in a vhost of its own, and devices with the users that the link's management made. */
class Carrier implements LinkUnderTest {
  private readonly devices: Device[] = [];

  private constructor(
    readonly vhost: string,
    readonly link: RabbitMqDeviceLink,
    readonly management: RabbitMqManagement,
  ) {}

  static async open(timing: { ping?: number; retry?: number } = {}): Promise<Carrier> {
    const vhost = `v${++vhosts}`;
    const settings = Settings.read({
      ...broker.environment,
      SYMBOLON_RABBITMQ_URL: `${broker.url}/${vhost}`,
    }).rabbitmq!;
    const management = new RabbitMqManagement(settings);
    const clock = new SystemClock();
    const link = new RabbitMqDeviceLink({ broker: settings, management, clock, log, timing: { retry: 50, ...timing } });
    const up = new Promise<void>((resolve) => link.onUp(resolve));
    link.start();
    await up;
    return new Carrier(vhost, link, management);
  }

  async connect(deviceIdentifier: string): Promise<Device> {
    await this.management.provision(deviceIdentifier, password);
    const device = await Device.connect(this.vhost, deviceIdentifier);
    this.devices.push(device);
    this.link.admit(deviceIdentifier);
    return device;
  }

  queue(name: string): Promise<any> {
    return broker.manage('GET', `/queues/${this.vhost}/${name}`);
  }

  async close(): Promise<void> {
    await Promise.all(this.devices.map((device) => device.vanish()));
    await this.link.close();
  }
}

class Device implements FarEnd {
  private readonly messages: ConsumeMessage[] = [];
  private readonly taken = new Map<string, ConsumeMessage>();
  private wake: () => void = () => undefined;
  /** Of everything that the server's queue was told: how many messages were acknowledged. */
  private sent = 0;

  private constructor(
    private readonly vhost: string,
    readonly deviceIdentifier: string,
    readonly connection: ChannelModel,
    readonly channel: ConfirmChannel,
  ) {}

  static async connect(vhost: string, deviceIdentifier: string, secret = password): Promise<Device> {
    const url = `amqp://device-${deviceIdentifier}:${encodeURIComponent(secret)}@127.0.0.1:${broker.port}/${vhost}`;
    const connection = await connect(url);
    connection.on('error', () => undefined);
    const channel = await connection.createConfirmChannel();
    channel.on('error', () => undefined);
    const device = new Device(vhost, deviceIdentifier, connection, channel);
    await channel.consume(`device.${deviceIdentifier}`, (message) => {
      if (message) device.messages.push(message);
      device.wake();
    });
    return device;
  }

  async message(): Promise<ConsumeMessage> {
    while (this.messages.length === 0) await new Promise<void>((resolve) => (this.wake = resolve));
    return this.messages.shift()!;
  }

  async next(): Promise<Envelope> {
    const message = await this.message();
    this.taken.set(message.properties.messageId, message);
    return JSON.parse(message.content.toString());
  }

  confirm(id: string): void {
    this.channel.ack(this.taken.get(id)!);
  }

  send(envelope: Envelope): void {
    this.sendText(JSON.stringify(envelope), envelope.type);
  }

  sendText(text: string, type = 'storage.write_ack'): void {
    this.sent++;
    this.channel.publish('symbolon.devices', `${this.deviceIdentifier}.${type}`, Buffer.from(text), {
      persistent: true,
    });
  }

  /** The broker counts what the server has acknowledged. */
  async confirmed(): Promise<void> {
    await until(async () => {
      const queue = await broker.manage('GET', `/queues/${this.vhost}/symbolon.server`);
      return (queue?.message_stats?.ack ?? 0) >= this.sent;
    }, `${this.sent} acknowledged messages`);
  }

  async vanish(): Promise<void> {
    await this.connection.close().catch(() => undefined);
  }
}

deviceLinkContract('RabbitMQ', () => Carrier.open());

describe('the RabbitMQ carrier', () => {
  let carrier: Carrier;
  let deviceIdentifier: string;
  beforeEach(async () => {
    carrier = await Carrier.open();
    deviceIdentifier = uuid7();
  });
  afterEach(() => carrier.close());

  const envelope = (type = 'storage.write', correlationId: string | null = null): Envelope => ({
    v: 1,
    id: uuid7(),
    type,
    deviceIdentifier,
    correlationId,
    at: '2026-02-21T15:33:44.123+00:00',
    body: {},
  });

  it('makes what section 16.7 lists', async () => {
    await carrier.management.provision(deviceIdentifier, password);
    const [server, dead, own, exchanges, bindings] = await Promise.all([
      carrier.queue('symbolon.server'),
      carrier.queue('symbolon.dead-letters'),
      carrier.queue(`device.${deviceIdentifier}`),
      broker.manage('GET', `/exchanges/${carrier.vhost}`),
      broker.manage('GET', `/bindings/${carrier.vhost}`),
    ]);
    expect([server.durable, dead.durable, own.durable]).toEqual([true, true, true]);
    expect([own.type, own.arguments]).toEqual([
      'classic',
      { 'x-queue-type': 'classic', 'x-dead-letter-exchange': 'symbolon.dead' },
    ]);
    expect(exchanges).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ name: 'symbolon.devices', type: 'topic', durable: true }),
        expect.objectContaining({ name: 'symbolon.dead', type: 'fanout', durable: true }),
      ]),
    );
    expect(bindings).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ source: 'symbolon.devices', destination: 'symbolon.server', routing_key: '#' }),
        expect.objectContaining({ source: 'symbolon.dead', destination: 'symbolon.dead-letters' }),
      ]),
    );
    const user = `device-${deviceIdentifier}`;
    expect(await broker.manage('GET', `/users/${user}/permissions`)).toEqual([
      {
        user,
        vhost: carrier.vhost,
        configure: '^$',
        write: '^symbolon\\.devices$',
        read: `^device\\.${deviceIdentifier}$`,
      },
    ]);
    expect(await broker.manage('GET', `/users/${user}/topic-permissions`)).toEqual([
      expect.objectContaining({ exchange: 'symbolon.devices', write: `^${deviceIdentifier}\\.[a-z_.]+$` }),
    ]);
    expect((await broker.manage('GET', `/users/${user}`)).tags).toEqual([]);
  });

  it('makes a queue that counts deliveries where the broker has several nodes', async () => {
    // The management API of a cluster, as far as it says how many nodes there are.
    const cluster = createServer((request, response) => {
      void (async () => {
        const chunks = [];
        for await (const chunk of request) chunks.push(chunk as Buffer);
        const nodes = request.url?.startsWith('/api/nodes');
        const answer = await fetch(`${broker.managementUrl}${request.url}`, {
          method: request.method ?? 'GET',
          headers: { authorization: request.headers.authorization ?? '', 'content-type': 'application/json' },
          body: chunks.length > 0 ? Buffer.concat(chunks) : null,
        });
        const body = nodes ? '[{"name":"a"},{"name":"b"},{"name":"c"}]' : await answer.text();
        response.writeHead(answer.status).end(body);
      })();
    });
    await new Promise<void>((resolve) => cluster.listen(0, '127.0.0.1', resolve));
    const management = new RabbitMqManagement(
      Settings.read({
        SYMBOLON_RABBITMQ_URL: `${broker.url}/${carrier.vhost}`,
        SYMBOLON_RABBITMQ_MANAGEMENT_URL: `http://127.0.0.1:${(cluster.address() as AddressInfo).port}`,
      }).rabbitmq!,
    );
    await management.provision(deviceIdentifier, password);
    cluster.closeAllConnections();
    cluster.close();
    expect(await carrier.queue(`device.${deviceIdentifier}`)).toMatchObject({
      type: 'quorum',
      durable: true,
      arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': 20, 'x-dead-letter-exchange': 'symbolon.dead' },
    });
    const device = await carrier.connect(deviceIdentifier);
    const sent = envelope();
    expect(await carrier.link.send(sent)).toBe('confirmed');
    // Handed out once, and twenty times again.
    for (let delivery = 0; delivery <= 20; delivery++) device.channel.nack(await device.message(), false, true);
    const connection = await connect(`${broker.url}/${carrier.vhost}`);
    const channel = await connection.createChannel();
    let letter = await channel.get('symbolon.dead-letters');
    while (letter === false) letter = await channel.get('symbolon.dead-letters');
    expect(letter.properties.messageId).toBe(sent.id);
    expect(letter.properties.headers?.['x-death']?.[0]).toMatchObject({ reason: 'delivery_limit' });
    await connection.close();
  });

  it('gives every message the properties of section 16.7', async () => {
    const device = await carrier.connect(deviceIdentifier);
    const [plain, ballot] = [envelope('storage.read_result', uuid7()), envelope('ballot.issued')];
    await carrier.link.send(plain);
    const { properties, fields } = await device.message();
    expect(fields).toMatchObject({ exchange: '', routingKey: `device.${deviceIdentifier}` });
    expect(properties).toMatchObject({
      contentType: 'application/json',
      deliveryMode: 2,
      messageId: plain.id,
      type: plain.type,
      correlationId: plain.correlationId,
      userId: broker.user,
      expiration: undefined,
    });
    await carrier.link.send(ballot, { expiresAt: new SystemClock().after(60) });
    const { expiration, correlationId } = (await device.message()).properties;
    expect(Number(expiration)).toBeGreaterThan(50_000);
    expect(Number(expiration)).toBeLessThanOrEqual(60_000);
    expect(correlationId).toBeUndefined();
  });

  it('lets a device do nothing but read its queue and write under its own key', async () => {
    const device = await carrier.connect(deviceIdentifier);
    const other = uuid7();
    await carrier.management.provision(other, 'another password');
    const refused = async (act: (channel: Channel) => Promise<unknown>) => {
      const channel = await device.connection.createConfirmChannel();
      const code = new Promise<number>((resolve) => channel.on('error', (error) => resolve((error as any).code)));
      await act(channel).catch(() => undefined);
      return code;
    };
    const publish = (exchange: string, key: string) => (channel: Channel) => {
      channel.publish(exchange, key, Buffer.from('{}'));
      return Promise.resolve();
    };
    const tries = [
      (channel: Channel) => channel.consume(`device.${other}`, () => undefined),
      (channel: Channel) => channel.get('symbolon.server'),
      (channel: Channel) => channel.get('symbolon.dead-letters'),
      publish('symbolon.devices', `${other}.storage.write_ack`),
      publish('symbolon.devices', `${deviceIdentifier}`),
      publish('symbolon.dead', ''),
      publish('', `device.${other}`),
      publish('', 'symbolon.server'),
      (channel: Channel) => channel.assertQueue('mine'),
      (channel: Channel) => channel.assertExchange('mine', 'topic'),
      (channel: Channel) => channel.deleteQueue(`device.${deviceIdentifier}`),
      (channel: Channel) => channel.bindQueue(`device.${deviceIdentifier}`, 'symbolon.devices', '#'),
    ];
    for (const [index, attempt] of tries.entries()) expect([index, await refused(attempt)]).toEqual([index, 403]);
    await expect(Device.connect(carrier.vhost, deviceIdentifier, 'a guess')).rejects.toThrow(/ACCESS.REFUSED/);
    expect(await broker.manage('GET', `/queues/${carrier.vhost}/mine`)).toBeNull();
  });

  it('takes the sender from the routing key, and no message of another user’s name', async () => {
    const heard = new Promise<string>((resolve) => carrier.link.receive(async (from) => resolve(from)));
    const device = await carrier.connect(deviceIdentifier);
    const channel = await device.connection.createChannel();
    const refusal = new Promise<Error>((resolve) => channel.on('error', resolve));
    channel.publish('symbolon.devices', `${deviceIdentifier}.error`, Buffer.from('{}'), { userId: broker.user });
    expect((await refusal).message).toMatch(/user_id/);
    device.sendText(JSON.stringify({ ...envelope(), deviceIdentifier: uuid7() }));
    expect(await heard).toBe(deviceIdentifier);
  });

  it('ends a device’s connections with its password, and its queue with the device', async () => {
    const device = await carrier.connect(deviceIdentifier);
    const ended = new Promise((resolve) => device.connection.on('close', resolve));
    await carrier.link.send(envelope());
    await carrier.management.provision(deviceIdentifier, 'the next password');
    await ended;
    await expect(Device.connect(carrier.vhost, deviceIdentifier)).rejects.toThrow();
    const next = await Device.connect(carrier.vhost, deviceIdentifier, 'the next password');
    expect((await next.next()).deviceIdentifier).toBe(deviceIdentifier);
    const withdrawn = new Promise((resolve) => next.connection.on('close', resolve));
    await carrier.management.withdraw(deviceIdentifier);
    await carrier.management.withdraw(deviceIdentifier);
    await withdrawn;
    expect(await carrier.queue(`device.${deviceIdentifier}`)).toBeNull();
    expect(await broker.manage('GET', `/users/device-${deviceIdentifier}`)).toBeNull();
  });

  it('provisions the same twice without touching what is there, and knows what is missing', async () => {
    const device = await carrier.connect(deviceIdentifier);
    expect((await carrier.management.accounts()).isWhole(deviceIdentifier, password)).toBe(true);
    await carrier.management.provision(deviceIdentifier, password);
    await carrier.link.send(envelope());
    await device.next();
    expect((await carrier.management.accounts()).devices).toEqual(new Set([deviceIdentifier]));
    expect((await carrier.management.accounts()).isWhole(deviceIdentifier, 'another')).toBe(false);
    await broker.manage('DELETE', `/topic-permissions/${carrier.vhost}/device-${deviceIdentifier}`);
    expect((await carrier.management.accounts()).isWhole(deviceIdentifier, password)).toBe(false);
    await carrier.management.provision(deviceIdentifier, password);
    expect((await carrier.management.accounts()).isWhole(deviceIdentifier, password)).toBe(true);
  });

  it('says that the broker does not know a device, whatever it was told before', async () => {
    const unknown = new Promise<string>((resolve) => carrier.link.onUnknown(resolve));
    carrier.link.admit(deviceIdentifier);
    expect(await carrier.link.send(envelope())).toBe('offline');
    expect(await unknown).toBe(deviceIdentifier);
    expect(carrier.link.reachable()).toEqual([]);
  });

  it('pings whoever reads his queue and has no other connection', async () => {
    await carrier.close();
    carrier = await Carrier.open({ ping: 100 });
    const other = uuid7();
    carrier.link.needsNoPing = (device) => device === other;
    const [device, spared] = [await carrier.connect(deviceIdentifier), await carrier.connect(other)];
    for (let count = 0; count < 2; count++) {
      const { properties, content } = await device.message();
      expect(properties).toMatchObject({ type: 'device.ping', deliveryMode: 2, userId: broker.user });
      expect(Number(properties.expiration)).toBeGreaterThan(25_000);
      expect(JSON.parse(content.toString())).toMatchObject({ type: 'device.ping', body: {}, correlationId: null });
    }
    await carrier.link.send({ ...envelope(), deviceIdentifier: other });
    expect((await spared.next()).type).toBe('storage.write');
  });

  it('makes its queue again when somebody has deleted it', async () => {
    const heard = new Promise<unknown>((resolve) => carrier.link.receive(async (_, message) => resolve(message)));
    const device = await carrier.connect(deviceIdentifier);
    const up = new Promise<void>((resolve) => carrier.link.onUp(resolve));
    await broker.manage('DELETE', `/queues/${carrier.vhost}/symbolon.server`);
    await up;
    const sent = envelope();
    device.send(sent);
    expect(await heard).toEqual(sent);
  });
});

describe('while RabbitMQ is away', () => {
  it('takes nothing, and afterwards sends and receives again by itself, what was not confirmed as well', async () => {
    const carrier = await Carrier.open();
    const deviceIdentifier = uuid7();
    const device = await carrier.connect(deviceIdentifier);
    const envelopes = Array.from({ length: 50 }, (): Envelope => ({
      v: 1,
      id: uuid7(),
      type: 'storage.write',
      deviceIdentifier,
      correlationId: null,
      at: '2026-02-21T15:33:44.123+00:00',
      body: {},
    }));
    // Handed over in the moment in which the broker dies: confirmed or not, each arrives.
    const dying = broker.halt('SIGKILL');
    const outcomes = envelopes.map((envelope) => carrier.link.send(envelope, { keep: true }));
    await dying;
    await device.vanish();
    await until(() => !carrier.link.up, 'the link to notice');
    expect(carrier.link.reachable()).toEqual([]);
    expect(await carrier.link.send({ ...envelopes[0]!, id: uuid7() })).toBe('offline');
    const up = new Promise<void>((resolve) => carrier.link.onUp(resolve));
    await broker.begin();
    await up;
    expect(await Promise.all(outcomes)).toEqual(envelopes.map(() => 'confirmed'));
    const again = await carrier.connect(deviceIdentifier);
    const missing = new Set(envelopes.map(({ id }) => id));
    while (missing.size > 0) missing.delete((await again.next()).id);
    await carrier.close();
  }, 90_000);
});
