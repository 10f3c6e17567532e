import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { runningEmbeddedPostgres, startEmbeddedPostgres } from '@symbolon/embedded-postgres';
import { type FreshDatabase, freshDatabase, password, until } from '@symbolon/testing';
import { Client } from 'pg';
import { buildPrograms, ServerProcess, temporaryFolder } from './server-process';

jest.setTimeout(180_000);
const program = join(__dirname, '../../../dist/apps/cli/main.cjs');

beforeAll(() => buildPrograms());

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const surroundings = { PATH: process.env['PATH'], HOME: process.env['HOME'] };

/** A verb of the command line, as an operator types it. */
function symbolon(dataDir: string, command: string, environment: Record<string, string> = {}): Promise<Ran> {
  const args = [program, ...command.split(' '), '--data-dir', dataDir];
  return new Promise((resolve) => {
    execFile(process.execPath, args, { env: { ...surroundings, ...environment } }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

async function told(dataDir: string, command: string, environment: Record<string, string> = {}): Promise<any> {
  const { stdout } = await symbolon(dataDir, `${command} --json`, environment);
  return JSON.parse(stdout);
}

async function query(url: string, sql: string, values: unknown[] = []): Promise<any[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql, values)).rows;
  } finally {
    await client.end();
  }
}

const usernames = ['ada@example.org', 'bob@example.org', 'cay@example.org', 'dee@example.org'];

async function signIn(server: ServerProcess, username: string): Promise<number> {
  return (await server.call('POST', '/profile/authenticate', { username, password })).status;
}

describe('an installation with a PostgreSQL of its own', () => {
  let server: ServerProcess;
  let token: string;
  const postgresDir = () => join(server.dataDir, 'postgres');
  const sql = async (text: string, values: unknown[] = []) =>
    query((await runningEmbeddedPostgres(postgresDir()))!, text, values);
  const projections = async (): Promise<any[]> => (await told(server.dataDir, 'projection ls')).projections;
  const allCaughtUp = async () => (await projections()).every(({ behind, stalled }) => behind === 0 && !stalled);

  beforeAll(async () => {
    server = await ServerProcess.create();
    await server.start();
    token = await server.profile(usernames[0]!);
  });
  afterAll(() => server.stop());

  describe('beside its server', () => {
    test('log tail shows events without what they hold', async () => {
      const { code, stdout, stderr } = await symbolon(server.dataDir, 'log tail --lines 1000');
      expect([code, stderr]).toEqual([0, '']);
      const lines = stdout.trimEnd().split('\n');
      const uuid = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
      for (const line of lines) {
        expect(line).toMatch(
          new RegExp(`^\\d+:\\d+  20\\d\\d-\\S+  [a-z]+-\\S+@\\d+  [a-z_.]+  ${uuid}  (?:${uuid}|-)$`),
        );
      }
      expect(lines.some((line) => line.includes('profile.registered'))).toBe(true);
      const [{ count }] = await sql('select count(*)::int as count from es.event');
      expect(lines).toHaveLength(count);

      const json = await symbolon(server.dataDir, 'log tail --lines 1000 --category profile session --json');
      const { events } = JSON.parse(json.stdout);
      expect(new Set(events.map(({ stream }: { stream: string }) => stream.split('-')[0]))).toEqual(
        new Set(['profile', 'session']),
      );
      for (const hidden of ['sealed', usernames[0], 'publicKey', 'data']) expect(json.stdout).not.toContain(hidden);
    });

    test('log tail --follow shows what comes, until it is interrupted', async () => {
      const args = [program, 'log', 'tail', '--follow', '--lines', '1', '--category', 'profile', '--json'];
      const child: ChildProcess = spawn(process.execPath, [...args, '--data-dir', server.dataDir], {
        env: surroundings,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const seen: Array<{ type: string; stream: string }> = [];
      createInterface({ input: child.stdout! }).on('line', (line) => seen.push(JSON.parse(line)));
      await until(async () => seen.length === 1, 'the first event');
      await server.profile(usernames[1]!);
      await until(
        async () => seen.some(({ type }) => type === 'profile.registered'),
        'the registration among the events',
      );
      const ended = once(child, 'exit');
      child.kill('SIGINT');
      expect(await ended).toEqual([130, null]);
      expect((await server.call('GET', '/health/ready')).status).toBe(200);
    });

    test('projection ls says where each follower stands', async () => {
      await until(allCaughtUp, 'every projection to be caught up');
      const all = await projections();
      expect(all.map(({ name }) => name)).toContain('identity.session-list');
      const { stdout } = await symbolon(server.dataDir, 'projection ls');
      expect(stdout).toMatch(/^NAME +KIND +VERSION +POSITION +BEHIND +STATE\n/);
      expect(stdout).toMatch(/\nidentity\.session-list +projection +1 +\d+:\d+ +0 +ok\n/);
    });

    test('projection rebuild fills a damaged projection anew', async () => {
      const rows = () => sql('select token_id, revoked from identity.session order by token_id');
      const before = await rows();
      expect(before.length).toBeGreaterThan(1);
      await sql('delete from identity.session');
      const { code, stdout } = await symbolon(server.dataDir, 'projection rebuild identity.session-list');
      expect([code, stdout]).toEqual([0, expect.stringContaining('identity.session-list is empty now')]);
      await until(async () => (await rows()).length === before.length, 'the rows to be there again');
      expect(await rows()).toEqual(before);

      const missing = await symbolon(server.dataDir, 'projection rebuild session');
      expect([missing.code, missing.stderr]).toEqual([4, expect.stringContaining('Is it identity.session-list?')]);
    });

    test('projection skip lets a stalled projection pass', async () => {
      const none = await told(server.dataDir, 'projection skip identity.session-list');
      expect(none.error).toMatchObject({ key: 'nothing_stalled', exit: 5 });

      const [{ id }] = await sql(
        `insert into es.event (stream, revision, id, type, version, data, meta)
         values ('session-none', 0, gen_random_uuid(), 'profile.token_revoked', 1, 'null', '{}') returning id`,
      );
      const stalled = async () => (await projections()).find(({ name }) => name === 'identity.session-list').stalled;
      await until(async () => (await stalled())?.event === id, 'the projection to be stalled');
      const { stdout } = await symbolon(server.dataDir, 'projection ls');
      expect(stdout).toContain('`symbolon projection skip identity.session-list` lets it pass');

      expect(await told(server.dataDir, 'projection skip identity.session-list')).toEqual({
        name: 'identity.session-list',
        skipped: id,
      });
      await until(allCaughtUp, 'every projection to be caught up');
    });

    test('key rotate epoch keeps the old key until the backup is confirmed, and the server goes on', async () => {
      const early = await symbolon(server.dataDir, 'key rotate epoch --backed-up');
      expect([early.code, early.stderr]).toEqual([5, expect.stringContaining('No rotation waits for a backup')]);

      const old = await sql('select distinct epoch_id from keys.profile_key');
      expect(old).toHaveLength(1);
      const begun = await symbolon(server.dataDir, 'key rotate epoch');
      expect([begun.code, begun.stdout]).toEqual([0, expect.stringMatching(/^4 keys wrapped .* back up /)]);
      const again = await told(server.dataDir, 'key rotate epoch');
      expect(again).toMatchObject({ rewrapped: 0, finished: false });
      await server.profile(usernames[2]!);

      expect(await told(server.dataDir, 'key rotate epoch --backed-up')).toMatchObject({
        epoch: again.epoch,
        finished: true,
      });
      expect(await sql('select distinct epoch_id from keys.profile_key')).toEqual([{ epoch_id: again.epoch }]);
      for (const username of usernames.slice(0, 3)) expect(await signIn(server, username)).toBe(200);
      const { code } = await symbolon(server.dataDir, 'key rotate epoch --backed-up');
      expect(code).toBe(5);
    });

    test.each(['lookups', 'engine-seal', 'engine-sign', 'password'])('key rotate %s', async (what) => {
      expect(await told(server.dataDir, `key rotate ${what}`)).toMatchObject({ rotated: what });
      expect((await server.call('GET', '/profile/retrieve-profile-id', undefined, token)).status).toBe(200);
      expect(await signIn(server, usernames[0]!)).toBe(200);
    });

    test('log rebase wants it stopped', async () => {
      const { code, stderr } = await symbolon(server.dataDir, 'log rebase');
      expect([code, stderr]).toEqual([
        5,
        `A server is running (process ${server.pid}): stop it, then run this again.\n`,
      ]);
    });
  });

  describe('without its server', () => {
    beforeAll(() => server.kill('SIGTERM'));

    test('a verb starts the database for its own time', async () => {
      const { events } = await told(server.dataDir, 'log tail --lines 3');
      expect(events).toHaveLength(3);
      expect(await runningEmbeddedPostgres(postgresDir())).toBeNull();
      expect(existsSync(join(server.dataDir, 'symbolon.lock'))).toBe(false);
      expect((await told(server.dataDir, 'projection ls')).projections).not.toEqual([]);
    });

    test('a log of another cluster is refused by the start, which names the command, and mended by it', async () => {
      const postgres = await startEmbeddedPostgres({ dataDir: postgresDir() });
      const facts = `select (select count(*)::int from es.event) as events,
        (select array_agg(distinct stream order by stream) from es.event) as streams,
        (select count(*)::int from identity.session) as sessions`;
      const [before] = await query(postgres.url, facts);
      // As where another cluster has counted further.
      await query(
        postgres.url,
        `alter table es.event disable trigger event_is_final;
         update es.event set xid = (xid::text::bigint + 1000000000000)::text::xid8;
         alter table es.event enable trigger event_is_final;
         update engine.checkpoint set cursor =
           (split_part(cursor, ':', 1)::bigint + 1000000000000) || ':' || split_part(cursor, ':', 2)`,
      );
      await postgres.stop();

      const refused = await server.start().catch((error: Error) => error.message);
      expect(refused).toContain('the server ended with 5');
      expect(refused).toContain('The event log was moved');
      expect(refused).toContain(`npx symbolon log rebase --data-dir ${server.dataDir}`);
      expect(refused).not.toMatch(/\n\s+at /);
      expect(await runningEmbeddedPostgres(postgresDir())).toBeNull();
      const tail = await symbolon(server.dataDir, 'log tail');
      expect([tail.code, tail.stderr]).toEqual([5, expect.stringContaining('symbolon log rebase')]);

      expect(await told(server.dataDir, 'log rebase')).toEqual({ rebased: true, events: before.events });
      expect(await told(server.dataDir, 'log rebase')).toEqual({ rebased: false, events: before.events });

      await server.start();
      const [after] = await sql(facts);
      expect(after).toMatchObject({ streams: before.streams, sessions: before.sessions });
      await server.profile(usernames[3]!);
      for (const username of usernames) expect(await signIn(server, username)).toBe(200);
      await until(allCaughtUp, 'every projection to be caught up');
    });
  });
});

describe('an installation with a database of yours', () => {
  let database: FreshDatabase;
  let server: ServerProcess;
  let elsewhere: string;
  let environment: Record<string, string>;

  beforeAll(async () => {
    database = await freshDatabase();
    environment = { DATABASE_URL: database.url };
    server = await ServerProcess.create(environment);
    elsewhere = join(temporaryFolder(), 'none');
  });
  afterAll(async () => {
    await server.stop();
    await database.drop();
    rmSync(join(elsewhere, '..'), { recursive: true, force: true });
  });

  test('is known by DATABASE_URL; its server is seen from anywhere', async () => {
    const empty = await symbolon(elsewhere, 'projection ls', environment);
    expect([empty.code, empty.stderr]).toEqual([4, expect.stringContaining('There is no Symbolon in this database')]);
    await server.start();
    await server.profile(usernames[0]!);
    expect((await told(elsewhere, 'log tail --category profile', environment)).events).not.toEqual([]);
    const rebase = await symbolon(elsewhere, 'log rebase', environment);
    expect([rebase.code, rebase.stderr]).toEqual([
      5,
      'A server is connected to this database: stop it, then run this again.\n',
    ]);
    const keys = await symbolon(elsewhere, 'key rotate password', environment);
    expect([keys.code, keys.stderr]).toEqual([4, expect.stringContaining('There is no key ring')]);
    expect(existsSync(elsewhere)).toBe(false);
  });

  test('a log of another cluster is mended there too', async () => {
    await server.kill('SIGTERM');
    await database.pool.query('update es.origin set system_identifier = 1');
    await expect(server.start()).rejects.toThrow('it was written on another PostgreSQL cluster');
    const { code, stdout } = await symbolon(server.dataDir, 'log rebase', environment);
    expect([code, stdout]).toEqual([0, expect.stringContaining('start the server')]);
    await server.start();
    expect(await signIn(server, usernames[0]!)).toBe(200);
  });

  test('what cannot be is told in a sentence and by the exit code', async () => {
    const answers: Array<[string, string, Record<string, string>, number, RegExp]> = [
      [elsewhere, 'log tail', {}, 4, /There is no database in .*--data-dir.*DATABASE_URL/],
      [elsewhere, 'log tail', { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' }, 6, /cannot be reached/],
      [elsewhere, 'log tail', { DATABASE_URL: 'mysql://x' }, 2, /DATABASE_URL must be/],
      [elsewhere, 'key rotate everything', environment, 2, /one of epoch, lookups/],
      [
        server.dataDir,
        'key rotate password',
        { ...environment, SYMBOLON_MASTER_KEY: 'c7'.repeat(32) },
        7,
        /master key/,
      ],
    ];
    for (const [dataDir, command, given, code, says] of answers) {
      const ran = await symbolon(dataDir, command, given);
      expect([ran.code, ran.stdout, ran.stderr]).toEqual([code, '', expect.stringMatching(says)]);
      expect(ran.stderr).not.toMatch(/\n\s+at /);
      const { error } = await told(dataDir, command, given);
      expect(error).toMatchObject({ exit: code, message: expect.stringMatching(says) });
    }
    expect(readFileSync(join(server.dataDir, 'key-ring.master'), 'utf8')).toMatch(/^[0-9a-f]{64}\n$/);
  });
});
