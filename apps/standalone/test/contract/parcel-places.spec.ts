import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from '@symbolon/crypto';
import { TestDevice, TestServer } from '@symbolon/testing';

// It has no types of its own.
const S3rver = require('s3rver') as new (options: object) => {
  run(): Promise<AddressInfo>;
  close(): Promise<void>;
};

let folder: string;
let objects: InstanceType<typeof S3rver>;
let endpoint: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 's3-'));
  objects = new S3rver({
    address: '127.0.0.1',
    port: 0,
    silent: true,
    directory: folder,
    configureBuckets: [{ name: 'parcels' }],
  });
  endpoint = `http://127.0.0.1:${(await objects.run()).port}`;
});

afterAll(async () => {
  await objects.close();
  await rm(folder, { recursive: true, force: true });
});

const places: Record<string, () => Record<string, string>> = {
  postgres: () => ({ SYMBOLON_PARCEL_STORE: 'postgres' }),
  s3: () => ({
    SYMBOLON_PARCEL_STORE: 's3',
    SYMBOLON_S3_BUCKET: 'parcels/transit',
    SYMBOLON_S3_ENDPOINT: endpoint,
    SYMBOLON_S3_ACCESS_KEY_ID: 'S3RVER',
    SYMBOLON_S3_SECRET_ACCESS_KEY: 'S3RVER',
  }),
};

test.each(Object.keys(places))('data go through parcels in %s and come back as they were', async (place) => {
  const server = await TestServer.start({ environment: places[place]!() });
  const ada = await server.profile();
  const device = await TestDevice.of(server, ada);
  await device.connect();
  for (const size of [1, 70_000, 3_000_000]) {
    const bytes = randomBytes(size);
    const { commandId } = await server.done('/data-token/reserve-token-space', { context: 'a' }, ada.token);
    const path = `/data-token/retrieve-temporary-data-token/${commandId}`;
    const { token, stream } = (await server.get(path, ada)).body;
    const stored = await server.post(stream, { body: new Uint8Array(bytes), wait: 30 });
    expect([stored.body.status, stored.body.body.size]).toEqual(['succeeded', size]);
    const { body } = await server.done('/data-token/request-data', { token }, ada.token);
    expect(Buffer.from(await (await fetch(body.downloadUrl)).arrayBuffer()).equals(bytes)).toBe(true);
  }
  expect((await server.get('/health')).body).toEqual({ status: 'ok' });
  await device.leave();
  await server.stop();
});
