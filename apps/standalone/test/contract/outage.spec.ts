import { password, TestServer, type TestProfile } from '@symbolon/testing';
import { Client } from 'pg';

let server: TestServer;
let ada: TestProfile;
let admin: Client;
let name: string;

beforeAll(async () => {
  server = await TestServer.start();
  ada = await server.profile();
  const url = new URL(server.database.url);
  name = url.pathname.slice(1);
  url.pathname = '/postgres';
  admin = new Client({ connectionString: url.href });
  await admin.connect();
});

afterAll(async () => {
  await admin.end();
  await server.stop();
});

async function events(): Promise<number> {
  const { rows } = await server.database.pool.query('select count(*)::int as count from es.event');
  return rows[0].count;
}

async function leave(): Promise<void> {
  await admin.query(`alter database ${name} with allow_connections false`);
  await admin.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name]);
}

async function comeBack(): Promise<void> {
  await admin.query(`alter database ${name} with allow_connections true`);
  for (;;) {
    if ((await server.get('/health')).status === 200) return;
  }
}

const id = '0193b4c6-1f2e-7a41-b7d5-2c9e4a6f8b10';
const fields: Record<string, object> = {
  '/profile/register-profile': { username: 'nobody-yet@example.org', password },
  '/profile/authenticate': { username: 'nobody-yet@example.org', password },
};

/** What needs no database: keys in memory, documents, the process itself. */
const independent = [
  '/health/live',
  '/openapi.json',
  '/asyncapi.json',
  '/docs',
  '/dptcab/public-key',
  '/public-key/retrieve-cab-public-key',
  '/.well-known/jwks.json',
];
/** Who else may call: an application by its secret, or by its token as it is. */
const basic: Record<string, string> = {
  '/oauth-application/retrieve-authorization-code': Buffer.from(`${id}:${'A'.repeat(43)}`).toString('base64'),
  '/oauth-application/obtain-access-token': Buffer.from(`${id}:${'A'.repeat(43)}`).toString('base64'),
  '/oauth-application/refresh-access-token': `T-${'A'.repeat(43)}`,
  '/oauth-application/retrieve-oauth-application-scope': `T-${'A'.repeat(43)}`,
};
const health = ['/health', '/utility/check-server-health', '/health/ready'];

test('without the database every row answers 503 with Retry-After, and nothing is recorded', async () => {
  const { paths } = (await server.get('/openapi.json')).body as { paths: Record<string, Record<string, unknown>> };
  const before = await events();
  await leave();
  const wrong: unknown[] = [];
  try {
    for (const [path, verbs] of Object.entries(paths)) {
      if ([...independent, ...health].includes(path)) continue;
      for (const verb of Object.keys(verbs)) {
        const target = path.replace(/\{[^}]+\}/, id) + (path.match(/stream$|^\/$/) ? `?auth=${'A'.repeat(43)}` : '');
        const sent = verb === 'get' ? {} : { json: fields[path] ?? {} };
        const caller = basic[path] ? { headers: { authorization: `Basic ${basic[path]}` } } : { token: ada.token };
        const { status, headers, body } = await server.call(verb.toUpperCase(), target, { ...caller, ...sent });
        if (status !== 503 || body.code !== 'dependency_unavailable' || !Number(headers.get('retry-after'))) {
          wrong.push([verb, path, status, body.code]);
        }
      }
    }
    for (const path of health) {
      const { status, headers, body } = await server.get(path);
      expect([path, status, headers.get('content-type')]).toEqual([path, 503, 'application/json; charset=utf-8']);
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
      expect(body).toMatchObject({ status: 'degraded', checks: { database: 'down' } });
    }
    for (const path of independent) expect([path, (await server.get(path)).status]).toEqual([path, 200]);
  } finally {
    await comeBack();
  }
  expect(wrong).toEqual([]);
  expect(await events()).toBe(before);
});

test('afterwards everything goes on', async () => {
  const later = await server.done('/profile/register-profile', fields['/profile/register-profile']!);
  expect(later.body).toEqual({ profileId: expect.any(String) });
  expect((await server.get('/profile/retrieve-profile-id', { token: ada.token })).status).toBe(200);
});
