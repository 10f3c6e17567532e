import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { Pool } from 'pg';
import { type FreshDatabase, freshDatabase, until } from '@symbolon/testing';
import { AgentRun, buildPrograms, ServerProcess, temporaryFolder } from './server-process';

jest.setTimeout(180_000);

let database: FreshDatabase;
let server: ServerProcess;
let agent: AgentRun;
let folder: string;
let token: string;

beforeAll(async () => {
  buildPrograms();
  database = await freshDatabase();
  folder = temporaryFolder();
  server = await ServerProcess.create({ DATABASE_URL: database.url });
  await server.start();
  token = await server.profile('crash@example.org');
  const device = await server.device(token, folder);
  agent = new AgentRun(folder);
  await agent.start();
  await server.done('/storage/register', { deviceIdentifier: device }, token);
});

afterAll(async () => {
  await agent.kill('SIGTERM');
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
  await database.drop();
});

/** Reserves and fills one token; answers what is known of it, however far it came. */
async function store(
  context: string,
  payload: Buffer,
): Promise<{ reserve: string | null; exchange: string | null; token: string | null }> {
  const known = { reserve: null as string | null, exchange: null as string | null, token: null as string | null };
  try {
    const reserve = await server.call('POST', '/data-token/reserve-token-space', { context, ttl: 30 }, token);
    if (reserve.status !== 202) return known;
    known.reserve = reserve.body.commandId;
    await until(
      async () => {
        const { body } = await server.call('GET', `/request-status/${known.reserve}`, undefined, token, {
          prefer: 'wait=5',
        });
        return body.status === 'succeeded';
      },
      'the reservation to succeed',
      { seconds: 20 },
    );
    const space = await server.call(
      'GET',
      `/data-token/retrieve-temporary-data-token/${known.reserve}`,
      undefined,
      token,
    );
    if (space.status !== 200) return known;
    known.token = space.body.token;
    const data = payload.toString('base64');
    const exchange = await server.call(
      'POST',
      '/data-token/exchange-data-for-token',
      { temporaryTokenSpace: known.token, data },
      token,
    );
    if (exchange.status === 202) known.exchange = exchange.body.commandId;
  } catch {
    // The server was killed in between: what was answered before counts.
  }
  return known;
}

async function finalStatus(commandId: string): Promise<any> {
  return until(
    async () => {
      const { status, body } = await server.call('GET', `/request-status/${commandId}`, undefined, token, {
        prefer: 'wait=10',
      });
      return status === 200 ? body : null;
    },
    'the command to end',
    { seconds: 90 },
  );
}

async function fetched(dataToken: string): Promise<Buffer> {
  const { body } = await server.done('/data-token/request-data', { token: dataToken }, token);
  return Buffer.from(await (await fetch(body.downloadUrl)).arrayBuffer());
}

test('kill -9 of the server at random moments: every command answered 202 ends, once, and no data are lost', async () => {
  const payloads = new Map<string, Buffer>();
  const known: Array<{ context: string; reserve: string | null; exchange: string | null; token: string | null }> = [];
  for (let round = 0; round < 5; round++) {
    const flows = Array.from({ length: 8 }, async (_, index) => {
      const context = `round-${round}-${index}`;
      const payload = randomBytes(200 + index * 9000);
      payloads.set(context, payload);
      known.push({ context, ...(await store(context, payload)) });
    });
    await new Promise((resolve) => setTimeout(resolve, 30 + Math.random() * 400));
    await server.kill('SIGKILL');
    await server.start();
    await Promise.all(flows);
  }

  const accepted = known
    .flatMap(({ reserve, exchange }) => [reserve, exchange])
    .filter((id): id is string => id !== null);
  expect(accepted.length).toBeGreaterThan(0);
  for (const commandId of accepted) expect(['succeeded', 'rejected']).toContain((await finalStatus(commandId)).status);

  for (const { context, exchange, token: dataToken } of known) {
    if (exchange === null || dataToken === null) continue;
    const status = await finalStatus(exchange);
    expect([context, status.status, status.reason]).toEqual([context, 'succeeded', null]);
    expect((await fetched(dataToken)).equals(payloads.get(context)!)).toBe(true);
  }

  const doubled = await database.pool.query(
    `select stream, type, count(*) from es.event
      where type in ('command.accepted', 'command.succeeded', 'command.rejected', 'data_token.space_reserved',
                     'data_token.data_exchanged', 'data_token.made_permanent', 'storage.write_acknowledged')
      group by stream, type having count(*) > 1`,
  );
  expect(doubled.rows).toEqual([]);
  const ends = await database.pool.query(
    `select stream from es.event where type in ('command.succeeded', 'command.rejected') group by stream having count(*) > 1`,
  );
  expect(ends.rows).toEqual([]);
});

test('kill -9 of the device agent in the middle of writes: everything acknowledged is there afterwards', async () => {
  const payload = randomBytes(180_000);
  const stores = Promise.all(Array.from({ length: 6 }, (_, index) => store(`agent-${index}`, payload)));
  await new Promise((resolve) => setTimeout(resolve, 150));
  await agent.kill('SIGKILL');
  await agent.start();
  for (const { exchange, token: dataToken } of await stores) {
    expect((await finalStatus(exchange!)).status).toBe('succeeded');
    expect((await fetched(dataToken!)).equals(payload)).toBe(true);
  }
});

test('the database is away for a while: 503 with Retry-After, nothing recorded, then recovery without hands', async () => {
  const before = await store('before', randomBytes(100));
  expect((await finalStatus(before.exchange!)).status).toBe('succeeded');
  // The server's own database is shut to it, and its connections are cut, as if PostgreSQL had stopped.
  const name = new URL(database.url).pathname.slice(1);
  const admin = new Pool({ connectionString: process.env['SYMBOLON_TEST_DATABASE'], max: 1 });
  await admin.query(`alter database ${name} with allow_connections false`);
  await admin.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name]);

  const refused = await until(async () => {
    const answer = await server.call('POST', '/data-token/reserve-token-space', { context: 'away' }, token);
    return answer.status === 503 ? answer : null;
  }, 'the server to refuse commands');
  expect(refused.body.code).toBe('dependency_unavailable');
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  const health = await server.call('GET', '/health');
  expect([health.status, health.body.status, health.body.checks.database]).toEqual([503, 'degraded', 'down']);

  await admin.query(`alter database ${name} with allow_connections true`);
  await admin.end();
  await until(async () => (await server.call('GET', '/health')).status === 200, 'the server to be healthy');
  const after = await store('after', randomBytes(100));
  expect((await finalStatus(after.exchange!)).status).toBe('succeeded');
  expect((await fetched(before.token!)).length).toBe(100);
});
