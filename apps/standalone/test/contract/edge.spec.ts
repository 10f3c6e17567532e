import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { subprotocol } from '@symbolon/device-link';
import { ManualClock } from '@symbolon/kernel';
import { listenMetrics, Metrics } from '@symbolon/observe';
import { password, TestServer } from '@symbolon/testing';
import { WebSocket } from 'ws';

let server: TestServer;
const clock = new ManualClock(Date.now());

beforeAll(async () => {
  server = await TestServer.start({
    clock,
    environment: {
      SYMBOLON_RATE_ADDRESS_PER_MINUTE: '60',
      SYMBOLON_RATE_TOKEN_PER_MINUTE: '20',
      SYMBOLON_TOKEN_TTL: '3600',
      SYMBOLON_CORS_ORIGINS: 'https://app.example.org',
    },
  });
});

beforeEach(() => clock.advance(61));

afterAll(() => server.stop());

describe('paths and verbs', () => {
  test('an unknown path is 404, also the bare root', async () => {
    for (const path of ['/nothing', '/profile', '/']) {
      const { status, body, headers } = await server.get(path);
      expect([status, body.code]).toEqual([404, 'not_found']);
      expect(headers.get('content-type')).toContain('application/problem+json');
    }
  });

  test('a wrong verb is 405 with Allow, before anything else', async () => {
    const { status, body, headers } = await server.get('/profile/register-profile');
    expect([status, body.code, headers.get('allow')]).toEqual([405, 'method_not_allowed', 'POST']);
    expect((await server.call('DELETE', '/public-key/generate-keys')).headers.get('allow')).toBe('GET, POST');
  });

  test('one trailing slash is tolerated', async () => {
    expect((await server.get('/health/')).status).toBe(200);
  });
});

describe('bodies', () => {
  const path = '/profile/authenticate';

  test('an empty body of any type is an empty field set', async () => {
    for (const type of ['application/json', 'text/plain', 'multipart/form-data; boundary=x']) {
      const { status, body } = await server.post(path, { headers: { 'content-type': type } });
      expect([status, body.code]).toEqual([422, 'validation_failed']);
    }
  });

  test('another type with a body is 415', async () => {
    const { status, body } = await server.post(path, { headers: { 'content-type': 'text/plain' }, body: 'hello' });
    expect([status, body.code]).toEqual([415, 'unsupported_media_type']);
  });

  test.each([
    ['application/json', '{"username":'],
    ['application/json', '[1]'],
    ['application/json', '"text"'],
    ['multipart/form-data', 'no boundary'],
  ])('malformed %s is 400', async (type, text) => {
    const { status, body } = await server.post(path, { headers: { 'content-type': type }, body: text });
    expect([status, body.code]).toEqual([400, 'request_malformed']);
  });

  test('more than 1 MiB is 413, declared or not', async () => {
    const big = 'a'.repeat(1_048_577);
    const declared = await server.post(path, { headers: { 'content-type': 'application/json' }, body: big });
    expect([declared.status, declared.body.code]).toEqual([413, 'payload_too_large']);
  });

  test('form, multipart and JSON say the same', async () => {
    const username = 'encodings@example.org';
    await server.done('/profile/register-profile', { username, password });
    const multipart = new FormData();
    multipart.append('username', username);
    multipart.append('password', password);
    for (const request of [{ form: { username, password } }, { json: { username, password } }, { body: multipart }]) {
      expect((await server.post(path, request)).status).toBe(200);
    }
  });

  test('of a field given twice the last one counts', async () => {
    const body = `username=x&username=encodings%40example.org&password=${encodeURIComponent(password)}`;
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    expect((await server.post(path, { headers, body })).status).toBe(200);
  });
});

describe('order of checks', () => {
  test('401 comes before 415 and 422, and 403 before 422', async () => {
    const headers = { 'content-type': 'text/plain' };
    expect((await server.post('/profile/change-password', { headers, body: 'x' })).status).toBe(401);
    const { token, profileId } = await server.profile({ withKey: false });
    const refused = await server.post('/data-token/reserve-token-space', { token, headers, body: 'x' });
    expect([refused.status, refused.body.code]).toEqual([403, 'profile.public_key_required']);
    const { rows } = await server.database.pool.query('select data from es.event where stream = $1', [
      `audit-${profileId}`,
    ]);
    expect(rows[0].data).toMatchObject({
      method: 'POST',
      path: '/data-token/reserve-token-space',
      code: 'profile.public_key_required',
    });
  });
});

describe('rate limits', () => {
  test('per address without a token, then free again after a minute', async () => {
    const first = await server.get('/health/live');
    expect(first.headers.get('ratelimit-policy')).toBe('"address";q=60;w=60');
    expect(first.headers.get('ratelimit')).toMatch(/^"address";r=59;t=60$/);
    for (let request = 2; request <= 60; request++) await server.get('/health/live');
    const { status, body, headers } = await server.get('/health/live');
    expect([status, body.code]).toEqual([429, 'rate_limited']);
    expect(headers.get('ratelimit')).toBe('"address";r=0;t=60');
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    clock.advance(61);
    expect((await server.get('/health/live')).status).toBe(200);
  });

  test('comes after 404 and 405, before 401, 415 and 422', async () => {
    for (let request = 1; request <= 60; request++) await server.get('/health/live');
    expect((await server.get('/nothing')).status).toBe(404);
    expect((await server.get('/profile/authenticate')).status).toBe(405);
    expect((await server.get('/profile/retrieve-profile-id')).status).toBe(429);
    expect((await server.get('/profile/retrieve-profile-id', { token: 'T-unknown' })).status).toBe(429);
    const refused = { headers: { 'content-type': 'text/plain' }, body: 'x' };
    expect((await server.post('/profile/authenticate', refused)).status).toBe(429);
    expect((await server.post('/profile/authenticate', { json: {} })).status).toBe(429);
  });

  test('asking for a status counts by the token that asks', async () => {
    const { token } = await server.profile({ withKey: false });
    const path = '/request-status/0193b4c6-1f2e-7a41-b7d5-2c9e4a6f8b10';
    expect((await server.get(path, { token })).headers.get('ratelimit')).toMatch(/^"token";/);
    expect((await server.get(path)).headers.get('ratelimit')).toMatch(/^"address";/);
    expect((await server.post(path, { token })).headers.get('ratelimit')).toMatch(/^"address";/);
  });

  test.each(['/ws', '/', '/device-channel'])('%s counts requests that ask to become a WebSocket', async (path) => {
    expect((await upgrade(path)).statusCode).not.toBe(429);
    expect((await server.get('/health/live')).headers.get('ratelimit')).toMatch(/^"address";r=58;/);
    for (let request = 3; request <= 60; request++) await server.get('/health/live');
    const { statusCode, headers, body } = await upgrade(path);
    expect([statusCode, body.code]).toEqual([429, 'rate_limited']);
    expect(headers).toMatchObject({
      'content-type': expect.stringContaining('application/problem+json'),
      'cache-control': 'no-store',
      'ratelimit-policy': '"address";q=60;w=60',
      ratelimit: '"address";r=0;t=60',
      'retry-after': '60',
    });
    expect(await upgrade('/nothing')).toMatchObject({ statusCode: 404, body: { code: 'not_found' } });
  });

  test('per token with one', async () => {
    const { token } = await server.profile({ withKey: false });
    const answers = [];
    for (let request = 1; request <= 21; request++)
      answers.push(await server.get('/profile/retrieve-profile-id', { token }));
    expect(answers[0]!.headers.get('ratelimit-policy')).toBe('"token";q=20;w=60');
    expect(answers.slice(0, 20).every(({ status }) => status === 200)).toBe(true);
    expect(answers[20]!.body.code).toBe('rate_limited');
  });
});

/** The answer to a request that asks to become a WebSocket. */
async function upgrade(path: string): Promise<{ statusCode: number; headers: IncomingHttpHeaders; body: any }> {
  const socket = new WebSocket(server.url.replace(/^http/, 'ws') + path, path === '/device-channel' ? subprotocol : []);
  socket.on('error', () => undefined);
  const answer = await new Promise<IncomingMessage>((resolve) => {
    socket.once('upgrade', resolve);
    socket.once('unexpected-response', (_, response) => resolve(response));
  });
  const { statusCode = 0, headers } = answer;
  const body = statusCode === 101 ? null : JSON.parse(await text(answer));
  socket.terminate();
  return { statusCode, headers, body };
}

describe('1 Health, and what lies beyond the menu', () => {
  test.each(['/health', '/utility/check-server-health', '/health/live', '/health/ready'])('%s is ok', async (path) => {
    const { status, body } = await server.get(path);
    expect([status, body]).toEqual([200, { status: 'ok' }]);
  });

  test('the OpenAPI document is 3.1 and holds every row with its limits', async () => {
    const { body } = await server.get('/openapi.json');
    expect(body.openapi).toBe('3.1.0');
    const operation = body.paths['/profile/register-profile'].post;
    expect(operation['x-symbolon-row']).toBe(3);
    const name = Object.values<any>(operation.requestBody.content)[0].schema.$ref.split('/').pop();
    expect(body.components.schemas[name].properties.username).toMatchObject({ minLength: 3, maxLength: 254 });
    const rows = Object.values<any>(body.paths).flatMap((verbs) =>
      Object.values<any>(verbs).map((op) => op['x-symbolon-row']),
    );
    const served = [...Array.from({ length: 67 }, (_, index) => index + 1), 86, 87];
    expect([...new Set(rows.filter(Boolean))].sort((a, b) => a - b)).toEqual(served);
  });

  test('the pages need no outside resource', async () => {
    const { status, text, headers } = await server.get('/docs');
    expect([status, headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(text).not.toMatch(/<script|src=|https?:\/\/(?!127)/);
  });

  test('metrics have a listener of their own and name nobody', async () => {
    const { token, profileId, username } = await server.profile();
    await server.post('/data-token/reserve-token-space', { token, json: { context: 'a private context' }, wait: 10 });
    await server.post('/profile/authenticate', { json: { username, password: 'wrong password' } });
    const listener = await listenMetrics(server.served.app.get(Metrics), { host: '127.0.0.1', port: 0 });
    try {
      const answer = await fetch(`http://127.0.0.1:${listener.port}/metrics`);
      expect([answer.status, answer.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/plain')]);
      const text = await answer.text();
      expect(text).toMatch(/^symbolon_commands_accepted_total\{type="data-token\/reserve-token-space"\} [1-9]/m);
      for (const personal of [token, profileId, username, 'private context', '127.0.0.1'])
        expect(text).not.toContain(personal);
      expect(text).not.toMatch(/[0-9a-f]{8}-[0-9a-f]{4}-|T-[\w-]{43}|dt_[\w-]{43}/);
      expect((await fetch(`http://127.0.0.1:${listener.port}/health`)).status).toBe(404);
    } finally {
      await listener.close();
    }
  });

  test('metrics are not on the public origin', async () => {
    expect((await server.get('/metrics')).status).toBe(404);
  });

  test('CORS: a browser may ask before it calls; any other OPTIONS is a wrong verb', async () => {
    const origin = 'https://app.example.org';
    const asks = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'prefer' };
    const ask = (headers: Record<string, string>, path = '/profile/authenticate') =>
      server.call('OPTIONS', path, { headers });
    const { status, headers } = await ask({ origin, ...asks });
    expect([status, headers.get('access-control-allow-origin')]).toEqual([204, origin]);
    expect([headers.get('access-control-allow-methods'), headers.get('access-control-allow-headers')]).toEqual([
      'POST',
      'prefer',
    ]);
    const other = await ask({ origin: 'https://evil.example.org', ...asks });
    expect(other.headers.get('access-control-allow-origin')).toBeNull();
    expect([(await ask({ origin })).status, (await ask({ origin, ...asks }, '/nothing')).status]).toEqual([405, 404]);
  });

  test('CORS: what the contract names may be read, of errors too', async () => {
    const { headers } = await server.get('/profile/retrieve-profile-id', {
      headers: { origin: 'https://app.example.org' },
    });
    expect(headers.get('access-control-allow-origin')).toBe('https://app.example.org');
    const exposed = headers.get('access-control-expose-headers')?.toLowerCase().split(', ').sort();
    expect(exposed).toEqual([
      'location',
      'preference-applied',
      'ratelimit',
      'ratelimit-policy',
      'retry-after',
      'x-dpt-cab-id',
      'x-dpt-cab-request-id',
    ]);
  });

  test('CORS answers listed origins only', async () => {
    const allowed = await server.get('/health', { headers: { origin: 'https://app.example.org' } });
    expect(allowed.headers.get('access-control-allow-origin')).toBe('https://app.example.org');
    const other = await server.get('/health', { headers: { origin: 'https://evil.example.org' } });
    expect(other.headers.get('access-control-allow-origin')).toBeNull();
  });
});

test('SYMBOLON_TOKEN_TTL says how long a token lives', async () => {
  const { username } = await server.profile({ withKey: false });
  const { body } = await server.post('/profile/authenticate', { json: { username, password } });
  const lives = (Date.parse(body.expiresAt) - clock.millis()) / 1000;
  expect([Math.ceil(lives), body.expiresAt.slice(-6)]).toEqual([3600, '+00:00']);
});

describe('2 Request command id status', () => {
  test('is for the issuing profile alone; POST tells anyone how far it is', async () => {
    const { token } = await server.profile();
    const stranger = await server.profile();
    const publicKey = (await server.get('/public-key/generate-keys', { token })).body.publicKey;
    const { commandId } = await server.done('/public-key/register-public-key', { publicKey }, token);
    expect((await server.get(`/request-status/${commandId}`, { token })).body.status).toBe('succeeded');
    expect((await server.get(`/utility/request-command-id-status/${commandId}`, { token })).status).toBe(200);
    expect((await server.get(`/request-status/${commandId}`, { token: stranger.token })).status).toBe(404);
    expect((await server.get(`/request-status/${commandId}`)).status).toBe(401);
    const bare = await server.post(`/request-status/${commandId}`, {
      headers: { 'content-type': 'text/plain' },
      body: 'ignored',
    });
    expect([bare.status, bare.text]).toEqual([200, '"succeeded"']);
  });

  test('answers 404 for unknown and malformed ids', async () => {
    const { token } = await server.profile({ withKey: false });
    for (const id of ['0193b4c6-1f2e-7a41-b7d5-2c9e4a6f8b10', 'nonsense']) {
      expect((await server.get(`/request-status/${id}`, { token })).status).toBe(404);
      expect((await server.post(`/request-status/${id}`)).status).toBe(404);
    }
  });
});

test.each([
  ['text/plain', 415],
  ['application/json', 413],
])('a sender of too much %s reads the answer, not a reset, and the connection goes on', async (type, expected) => {
  const { token } = await server.profile();
  const body = 'x'.repeat(3_000_000);
  const refused = await server.post('/data-token/request-data', { token, body, headers: { 'content-type': type } });
  expect(refused.status).toBe(expected);
  expect((await server.get('/profile/retrieve-profile-id', { token })).status).toBe(200);
});
