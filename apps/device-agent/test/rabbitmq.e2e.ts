import { readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { randomBytes, uuid7 } from '@symbolon/crypto';
import { TestBroker, type TestProfile, TestServer, until } from '@symbolon/testing';
import { connect } from 'amqplib';
import { type AgentOptions, type RunningAgent, runAgent } from '../src/agent';
import { exits } from '../src/halt';
import { bundleAgent, Program } from './program';

/** The agent and the whole server, with RabbitMQ between them. */
const pace = { retryFirst: 50, retryMost: 500, resendAfter: 500, keySetPause: 0 };
/** How long RabbitMQ is away under load. */
const outageSeconds = Number(process.env['SYMBOLON_TEST_OUTAGE_SECONDS'] ?? '3');

let broker: TestBroker;
let server: TestServer;
let ada: TestProfile;
let dir: string;
let agent: RunningAgent | null = null;
let events: { event: string; [field: string]: unknown }[] = [];

beforeAll(async () => {
  broker = await TestBroker.start();
  server = await TestServer.start({ environment: broker.environment });
  await until(async () => (await server.get('/health')).status === 200, 'the server to be healthy');
}, 90_000);

afterAll(async () => {
  await server?.stop();
  await broker?.stop();
}, 60_000);

beforeEach(async () => {
  ada = await server.profile();
  events = [];
  dir = await newHome();
});

afterEach(async () => {
  await agent?.stop();
  agent = null;
  await rm(dir, { recursive: true, force: true });
});

/** A directory with everything that an approved device needs. */
async function newHome(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'symbolon-agent-'));
  const { token } = ada;
  const { body, commandId } = await server.done('/device/request-unique-identifier', { deviceName: 'a' }, token);
  const { deviceIdentifier } = body;
  const { username, password } = (
    await server.post('/device/retrieve-unique-identifier', { json: { id: commandId }, token })
  ).body;
  await server.done('/device/approve-device', { deviceIdentifier }, token);
  await writeFile(join(home, 'login.json'), JSON.stringify({ url: server.url, username, password }));
  await configure(home, deviceIdentifier);
  return home;
}

async function configure(home: string, deviceIdentifier: string, query = ''): Promise<void> {
  const path = `/device/retrieve-device-configuration/${deviceIdentifier}${query}`;
  const { body } = await server.get(path, { token: ada.token });
  await writeFile(join(home, 'device.json'), JSON.stringify(body));
}

const deviceOf = async (home = dir): Promise<string> =>
  JSON.parse(await readFile(join(home, 'device.json'), 'utf8'))['device-identifier'];

async function start(options: Partial<AgentOptions> = {}): Promise<void> {
  const log = (event: string, fields: object = {}) => void events.push({ event, ...fields });
  agent = runAgent({ dir, pace, carrier: 'rabbitmq', log, ...options });
  await agent.ready;
}

async function startStorage(): Promise<void> {
  await start();
  await server.done('/storage/register', { deviceIdentifier: await deviceOf() }, ada.token);
}

const held = () => readdirSync(join(dir, 'blobs')).flatMap((shard) => readdirSync(join(dir, 'blobs', shard))).length;
const listed = async () => (await server.get('/storage/list-storage-devices', { token: ada.token })).body.items[0];

async function reserve(): Promise<{ token: string; stream: string }> {
  const { commandId } = await server.done('/data-token/reserve-token-space', { context: 'a', ttl: 60 }, ada.token);
  return (await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, { token: ada.token })).body;
}

/** Stores by upload; answers the token. */
async function store(data: Buffer): Promise<string> {
  const { token, stream } = await reserve();
  let { body } = await server.post(stream, { body: new Uint8Array(data), wait: 30 });
  // What a device was told and could not answer any more it is told again after 30 s.
  while (body.status === 'started')
    ({ body } = await server.get(`/request-status/${body.commandId}`, { token: ada.token, wait: 30 }));
  expect(body).toMatchObject({ status: 'succeeded' });
  return token;
}

async function fetched(token: string): Promise<Buffer> {
  const { body } = await server.post('/data-token/request-data', { json: { token }, token: ada.token, wait: 30 });
  expect(body).toMatchObject({ status: 'succeeded' });
  return Buffer.from(await (await fetch(body.body.downloadUrl)).arrayBuffer());
}

async function depth(queue: string): Promise<number> {
  const connection = await connect(`${broker.url}/symbolon`);
  const { messageCount } = await (await connection.createChannel()).checkQueue(queue);
  await connection.close();
  return messageCount;
}

test.each([
  ['inline', 2000],
  ['by claim check', 500_000],
])('data go to the device and back %s, and are deleted', async (_, size) => {
  await startStorage();
  const data = randomBytes(size);
  const token = await store(data);
  expect(held()).toBe(1);
  expect(await fetched(token)).toEqual(data);
  expect(await listed()).toMatchObject({ online: true, tokensHeld: 1 });
  await server.done('/data-token/delete-data', { token }, ada.token);
  await until(() => held() === 0, 'the device to hold nothing');
  await until(async () => (await depth(`device.${await deviceOf()}`)) === 0, 'an empty queue');
});

test('what was ordered while the agent was away is done when it comes, once', async () => {
  await startStorage();
  await agent?.stop();
  const { token } = await reserve();
  const json = { temporaryTokenSpace: token, data: randomBytes(100).toString('base64') };
  const { body } = await server.post('/data-token/exchange-data-for-token', { json, token: ada.token });
  await until(async () => (await depth(`device.${await deviceOf()}`)) > 0, 'a message in the queue');
  await start();
  const ended = await server.get(`/request-status/${body.commandId}`, { token: ada.token, wait: 30 });
  expect(ended.body.status).toBe('succeeded');
  expect(held()).toBe(1);
});

test('an agent without the rabbit keys says so, and so does one whose password was rotated', async () => {
  const configuration = JSON.parse(await readFile(join(dir, 'device.json'), 'utf8'));
  const { 'rabbit-pass': _, ...later } = configuration;
  const ending = async (content: object) => {
    await writeFile(join(dir, 'device.json'), JSON.stringify(content));
    return runAgent({ dir, pace, carrier: 'rabbitmq' }).ended;
  };
  expect(await ending(later)).toMatchObject({ exit: exits.usage, sentence: expect.stringContaining('rotate=true') });
  const bare = Object.fromEntries(Object.entries(configuration).filter(([name]) => !name.startsWith('rabbit-')));
  expect(await ending(bare)).toMatchObject({ exit: exits.usage, sentence: expect.stringContaining('rabbit-host') });
  await configure(dir, configuration['device-identifier'], '?rotate=true');
  expect(await ending(configuration)).toMatchObject({
    exit: exits.refused,
    sentence: expect.stringMatching(/^The broker refuses this device/),
  });
});

test('a rotation ends the connection of a running agent, which then gives up with a sentence', async () => {
  await start();
  const deviceIdentifier = await deviceOf();
  await server.get(`/device/retrieve-device-configuration/${deviceIdentifier}?rotate=true`, { token: ada.token });
  expect(await agent?.ended).toMatchObject({ exit: exits.refused });
});

test('messages that are none are confirmed, and hold up nothing', async () => {
  await startStorage();
  const connection = await connect(`${broker.url}/symbolon`);
  const channel = await connection.createConfirmChannel();
  const queue = `device.${await deviceOf()}`;
  const foreign = {
    v: 1,
    id: uuid7(),
    type: 'storage.delete',
    deviceIdentifier: uuid7(),
    correlationId: null,
    body: {},
  };
  for (const text of ['', '{', '{"id":7}', JSON.stringify(foreign)]) channel.sendToQueue(queue, Buffer.from(text));
  await channel.waitForConfirms();
  await connection.close();
  const data = randomBytes(10);
  expect(await fetched(await store(data))).toEqual(data);
  await agent?.stop();
  expect(await depth(queue)).toBe(0);
  expect(events.filter(({ event }) => event === 'message-malformed')).toHaveLength(4);
});

test('a message that is never done becomes a dead letter after twenty deliveries', async () => {
  const path = '/.well-known/jwks.json';
  const deviceIdentifier = await deviceOf();
  await start({ pace: { ...pace, resendAfter: 20 } });
  const configuration = JSON.parse(await readFile(join(dir, 'device.json'), 'utf8'));
  await agent?.stop();
  // Its signer is unknown, and where the keys are shown nobody answers: it may be done later.
  const unreachable = { ...configuration, 'jwks-url': `http://127.0.0.1:1${path}` };
  await writeFile(join(dir, 'device.json'), JSON.stringify(unreachable));
  await start({ pace: { ...pace, resendAfter: 20 } });
  const id = uuid7();
  const envelope = {
    v: 1,
    id,
    type: 'storage.delete',
    deviceIdentifier,
    correlationId: null,
    at: new Date().toISOString(),
    body: { sealed: randomBytes(100).toString('base64') },
    sig: randomBytes(64).toString('hex'),
  };
  const before = await depth('symbolon.dead-letters');
  const connection = await connect(`${broker.url}/symbolon`);
  const channel = await connection.createConfirmChannel();
  channel.sendToQueue(`device.${deviceIdentifier}`, Buffer.from(JSON.stringify(envelope)), { messageId: id });
  await until(async () => (await depth('symbolon.dead-letters')) === before + 1, 'a dead letter');
  await connection.close();
  expect(events.filter(({ event }) => event === 'signing-keys-unreachable')).toHaveLength(20);
  expect(events.find(({ event }) => event === 'given-up')).toMatchObject({ id, deliveries: 20 });
});

test('an agent that is killed over and over loses nothing and stores nothing twice', async () => {
  await startStorage();
  await agent?.stop();
  const bundle = join(dir, 'agent.cjs');
  await bundleAgent(bundle);
  const program = () => Program.start(bundle, ['run', '--dir', dir, '--json', '--carrier', 'rabbitmq']);
  let running = program();
  let done = false;
  const stored = new Map<string, Buffer>();
  const load = Promise.all(
    Array.from({ length: 4 }, async () => {
      while (!done) {
        const data = randomBytes(stored.size % 5 === 0 ? 100_000 : 1000);
        stored.set(await store(data), data);
      }
    }),
  );
  for (let round = 1; round <= 4; round++) {
    const target = stored.size + 5;
    await until(() => stored.size >= target, 'enough stored tokens');
    await running.end('SIGKILL');
    running = program();
  }
  done = true;
  await load;
  for (const [token, data] of stored) expect((await fetched(token)).equals(data)).toBe(true);
  expect(held()).toBe(stored.size);
  await running.end('SIGTERM');
}, 120_000);

test('RabbitMQ is stopped under load: work is refused meanwhile, and nothing is lost, doubled or done by hand', async () => {
  await startStorage();
  const stored = new Map<string, Buffer>();
  const accepted: string[] = [];
  const seen = { refused: 0, read: 0, rejected: 0 };
  let done = false;
  /** Calls until the answer is not 503; answers the end of the command. */
  const persist = async (path: string, json: object): Promise<any> => {
    for (;;) {
      const { status, body } = await server.post(path, { json, token: ada.token });
      if (status === 202) {
        accepted.push(body.commandId);
        for (;;) {
          const ended = await server.get(`/request-status/${body.commandId}`, { token: ada.token, wait: 30 });
          if (ended.status === 200) return ended.body;
        }
      }
      expect([status, body.code]).toEqual([503, 'dependency_unavailable']);
      seen.refused++;
      await after(100);
    }
  };
  const writing = async () => {
    while (!done) {
      const data = randomBytes(stored.size % 7 === 0 ? 80_000 : 500);
      const { token } = await reserve();
      for (;;) {
        const json = { temporaryTokenSpace: token, data: data.toString('base64') };
        const { status, reason } = await persist('/data-token/exchange-data-for-token', json);
        if (status === 'succeeded') break;
        // Accepted just before an outage of more than a minute: then it may be said that nobody answered.
        expect([reason, outageSeconds >= 25]).toEqual(['storage.no_device_answered', true]);
        seen.rejected++;
      }
      stored.set(token, data);
    }
  };
  const reading = async () => {
    while (!done) {
      const [token, data] = [...stored].at(Math.floor(Math.random() * stored.size)) ?? [];
      if (!token || !data) {
        await after(50);
        continue;
      }
      const { status, reason, body } = await persist('/data-token/request-data', { token });
      if (status !== 'succeeded') {
        expect([reason, outageSeconds >= 25]).toEqual(['storage.no_device_answered', true]);
        seen.rejected++;
        continue;
      }
      const got = Buffer.from(await (await fetch(body.downloadUrl)).arrayBuffer());
      expect(got.equals(data)).toBe(true);
      seen.read++;
    }
  };
  const load = Promise.all([...Array.from({ length: 4 }, writing), ...Array.from({ length: 2 }, reading)]);
  const failed = load.then(
    () => null,
    (error: unknown) => error,
  );
  const progress = async (writes: number) => {
    const [target, reads] = [stored.size + writes, seen.read + 5];
    await Promise.race([
      until(() => stored.size >= target && seen.read >= reads, 'enough writes and reads'),
      failed.then((error) => {
        if (error) throw error;
      }),
    ]);
  };
  await progress(20);
  await broker.halt();
  const halted = Date.now();
  await until(() => seen.refused >= 10, 'refused calls');
  await after(Math.max(0, outageSeconds * 1000 - (Date.now() - halted)));
  const before = stored.size;
  await broker.begin();
  await progress(20);
  done = true;
  expect(await failed).toBeNull();

  expect(stored.size).toBeGreaterThan(before);
  for (const [token, data] of stored) expect((await fetched(token)).equals(data)).toBe(true);
  // Each accepted command has one end, each token one acknowledged version, and the device one object for each.
  const { rows } = await server.database.pool.query(
    `select data->>'commandId' as id, count(*)::int as ends from es.event
      where type in ('command.succeeded', 'command.rejected') and data->>'commandId' = any($1) group by 1`,
    [accepted],
  );
  expect(rows.map(({ ends }) => ends)).toEqual(accepted.map(() => 1));
  const acknowledged = await server.database.pool.query(
    `select data->>'tokenId' as token, count(*)::int as times from es.event
      where type = 'storage.write_acknowledged' and data->>'deviceIdentifier' = $1 group by 1`,
    [await deviceOf()],
  );
  expect(acknowledged.rows.filter(({ times }) => times !== 1)).toEqual([]);
  expect((await listed()).tokensHeld).toBe(acknowledged.rows.length);
  expect(acknowledged.rows.length).toBeGreaterThanOrEqual(stored.size);
  await until(() => held() === acknowledged.rows.length, 'all that was acknowledged at the device');
  await until(async () => (await depth(`device.${await deviceOf()}`)) === 0, 'an empty queue');
  if (outageSeconds < 25) expect(seen.rejected).toBe(0);
  process.stderr.write(
    `RabbitMQ was away for ${outageSeconds} s: ${accepted.length} commands accepted, ${seen.refused} calls refused, ${seen.rejected} rejected, ${stored.size} tokens stored, ${seen.read} read\n`,
  );
}, 240_000);
