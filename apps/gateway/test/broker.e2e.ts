import { randomBytes } from 'node:crypto';
import { type FreshDatabase, freshDatabase, TestBroker, TestDevice, type TestProfile } from '@symbolon/testing';
import { buildParts, Parts } from './parts';

jest.setTimeout(120_000);

/** The separate processes, with RabbitMQ between them and the devices. */
let broker: TestBroker;
let database: FreshDatabase;
let parts: Parts;
let owner: TestProfile;
let device: TestDevice;

beforeAll(async () => {
  buildParts();
  [broker, database] = await Promise.all([TestBroker.start(), freshDatabase()]);
  parts = await Parts.create(database, broker.environment);
  await parts.startAll();
  await eventually(async () => (await parts.get('/health')).status === 200);
  owner = await parts.profile();
  device = await TestDevice.of(parts, owner);
  await device.connectByBroker();
});

afterAll(async () => {
  // Where the start failed there may be none.
  await (device as TestDevice | undefined)?.leave();
  const codes = await (parts as Parts | undefined)?.stop();
  await (database as FreshDatabase | undefined)?.drop();
  await (broker as TestBroker | undefined)?.stop();
  expect(codes?.every((code) => code === 0)).toBe(true);
});

async function eventually(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 50));
}

async function upload(payload: Buffer): Promise<{ token: string; commandId: string }> {
  const { token: by } = owner;
  const { commandId: reservation } = await parts.done('/data-token/reserve-token-space', { context: 'broker' }, by);
  const path = `/data-token/retrieve-temporary-data-token/${reservation}`;
  const { token, stream } = (await parts.get(path, { token: by })).body;
  const { status, body } = await parts.post(stream, { body: new Uint8Array(payload) });
  expect(status).toBe(202);
  return { token, commandId: body.commandId };
}

async function ended(commandId: string): Promise<string> {
  return (await parts.get(`/request-status/${commandId}`, { token: owner.token, wait: 30 })).body.status;
}

async function fetched(token: string): Promise<Buffer> {
  const { body } = await parts.done('/data-token/request-data', { token }, owner.token);
  return Buffer.from(await (await fetch(body.downloadUrl)).arrayBuffer());
}

test.each([
  ['inline', 1000],
  ['by claim check', 300_000],
])('data is stored and fetched over the broker, %s', async (_, size) => {
  const payload = randomBytes(size);
  const { token, commandId } = await upload(payload);
  expect(await ended(commandId)).toBe('succeeded');
  expect((await fetched(token)).equals(payload)).toBe(true);
  await parts.done('/data-token/delete-data', { token }, owner.token);
  await eventually(async () => device.objects.size === 0);
});

test('what a device is to do waits at the broker while the device router is away', async () => {
  await device.leave();
  const payload = randomBytes(500);
  const { token, commandId } = await upload(payload);
  const queue = `/queues/symbolon/device.${device.deviceIdentifier}`;
  await eventually(async () => ((await broker.manage('GET', queue))?.messages ?? 0) > 0);
  await parts.end('device-router', 'SIGKILL');
  await device.connectByBroker();
  await device.got('storage.write');
  await parts.startPart('device-router');
  expect(await ended(commandId)).toBe('succeeded');
  expect((await fetched(token)).equals(payload)).toBe(true);
});

test('without the broker nothing that needs it is recorded, and all goes on when it is back', async () => {
  const { token } = owner;
  const { commandId } = await parts.done('/data-token/reserve-token-space', { context: 'broker' }, token);
  const temporary = (await parts.get(`/data-token/retrieve-temporary-data-token/${commandId}`, { token })).body.token;
  const json = { temporaryTokenSpace: temporary, data: 'AAAA' };
  await broker.halt();
  await eventually(async () => (await parts.get('/health')).status === 503);
  expect((await parts.get('/health')).body.checks).toMatchObject({ rabbitmq: 'down', 'device-router': 'up' });
  expect((await parts.get('/health/ready')).status).toBe(200);
  const refused = await parts.post('/data-token/exchange-data-for-token', { token, json });
  expect([refused.status, refused.body.code]).toEqual([503, 'dependency_unavailable']);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  await broker.begin();
  await eventually(async () => (await parts.get('/health')).status === 200);
  await device.connectByBroker();
  await parts.done('/data-token/exchange-data-for-token', json, token);
  expect(parts.output).not.toContain(broker.password);
});
