import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { TestDevice, type TestProfile, TestServer } from '@symbolon/testing';

/** Section 4, guarantee 2: what needs the payload spool answers 503 while it is away, and nothing has been recorded. */
let server: TestServer;
let ada: TestProfile;
let device: TestDevice;

beforeAll(async () => {
  server = await TestServer.start();
  ada = await server.profile();
  device = await TestDevice.of(server, ada);
  await device.connect();
});

afterAll(async () => {
  await device.leave();
  await server.stop();
});

async function reserve(): Promise<{ token: string; stream: string }> {
  const { commandId } = await server.done('/data-token/reserve-token-space', { context: 'a' }, ada.token);
  return (await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, ada)).body;
}

async function recorded(): Promise<number> {
  const { rows } = await server.database.pool.query('select count(*)::int as count from es.event');
  return rows[0].count;
}

test('rows 25 to 28 answer 503, and go on when it is back', async () => {
  const [inline, streamed, stored] = [await reserve(), await reserve(), await reserve()];
  const exchange = (token: string) =>
    server.post('/data-token/exchange-data-for-token', {
      json: { temporaryTokenSpace: token, data: 'AAAA' },
      token: ada.token,
      wait: 30,
    });
  const request = () =>
    server.post('/data-token/request-data', { json: { token: stored.token }, token: ada.token, wait: 30 });
  const upload = () => server.post(streamed.stream, { body: 'abc', wait: 30 });
  expect((await exchange(stored.token)).body.status).toBe('succeeded');
  const { downloadUrl } = (await request()).body.body;

  const folder = join(server.dataDir, 'parcels');
  await rename(folder, `${folder}.away`);
  const before = await recorded();
  for (const call of [() => exchange(inline.token), upload, request, () => server.get(downloadUrl)]) {
    const { status, body, headers } = await call();
    expect([status, body.code, headers.get('retry-after')]).toEqual([
      503,
      'dependency_unavailable',
      expect.stringMatching(/^\d+$/),
    ]);
  }
  expect(await recorded()).toBe(before);
  const health = await server.get('/health');
  expect([health.status, health.body]).toEqual([
    503,
    { status: 'degraded', checks: { database: 'up', 'event-store': 'up', 'parcel-store': 'down' } },
  ]);
  expect((await server.post('/data-token/request-data', { json: { token: 'x' }, token: ada.token })).status).toBe(404);
  await rename(`${folder}.away`, folder);

  expect((await server.get('/health')).body).toEqual({ status: 'ok' });
  for (const call of [() => exchange(inline.token), upload, request]) {
    expect((await call()).body.status).toBe('succeeded');
  }
  expect((await server.get(downloadUrl)).status).toBe(200);
});
