import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { build } from 'esbuild';
import { Client } from 'pg';
import { explain } from './postgres-cannot-start';
import { give, openHome, usable } from './postgres-home';
import { type PostgresOptions, PostgresServer } from './postgres-server';

const root = process.getuid?.() === 0;
const mintPassword = () => 'correct-horse-battery-staple';
let place: string;
let started: PostgresServer[];

beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), 'embedded-postgres-'));
  await chmod(place, 0o711);
  started = [];
});

afterEach(async () => {
  for (const server of started) await server.stop();
  await rm(place, { recursive: true, force: true });
});

async function start(options: Partial<PostgresOptions> = {}): Promise<PostgresServer> {
  const server = await PostgresServer.start({ dataDir: join(place, 'data'), mintPassword, ...options });
  started.push(server);
  return server;
}

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

async function until<T>(condition: () => Promise<T | null | undefined | false>): Promise<T> {
  for (;;) {
    const value = await condition();
    if (value) return value;
    await delay(20);
  }
}

/** A program that starts a server on `dataDir` (throw-away without one), prints its URL and stays. */
async function startInProcess(dataDir: string | null): Promise<{ url: string; kill(): Promise<void> }> {
  const file = join(place, 'program.cjs');
  await build({
    stdin: {
      contents: `
        const { PostgresServer } = require('./postgres-server');
        const dataDir = process.argv[2];
        PostgresServer.start({ ...(dataDir ? { dataDir } : { throwaway: true }), mintPassword: () => 'correct-horse-battery-staple' })
          .then(({ url }) => { console.log(url); setInterval(() => undefined, 1000); });`,
      resolveDir: __dirname,
      loader: 'js',
    },
    bundle: true,
    platform: 'node',
    external: ['pg-native'],
    outfile: file,
  });
  const env = {
    ...process.env,
    NODE_PATH: join(__dirname, '../../../node_modules'),
  };
  const child = spawn(process.execPath, [file, ...(dataDir === null ? [] : [dataDir])], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [url] = (await once(createInterface(child.stdout), 'line')) as [string];
  return {
    url,
    kill: async () => {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

describe('a data directory', () => {
  test('keeps its data from one start to the next, and its password from others', async () => {
    const first = await start();
    await query(first.url, 'create table kept as select 42 as answer');
    const url = new URL(first.url);
    url.password = 'wrong';
    await expect(query(url.href, 'select 1')).rejects.toMatchObject({ code: '28P01' });
    expect(url.hostname).toBe('127.0.0.1');
    expect((await stat(join(place, 'data', 'access.json'))).mode & 0o777).toBe(0o600);
    expect((await stat(join(place, 'data', 'pgdata'))).mode & 0o777).toBe(0o700);
    expect((await stat(join(place, 'data', 'postgres.log'))).mode & 0o777).toBe(0o600);
    expect((await readdir(join(place, 'data'))).sort()).toEqual(['access.json', 'pgdata', 'postgres.log']);
    await first.stop();
    expect(await first.pid()).toBeNull();
    await expect(query(first.url, 'select 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });

    const second = await start();
    expect(await query(second.url, 'select answer from kept')).toEqual([{ answer: 42 }]);
    expect(await query(second.url, 'show fsync')).toEqual([{ fsync: 'on' }]);
    expect(await query(second.url, 'show synchronous_commit')).toEqual([{ synchronous_commit: 'on' }]);
  });

  test('writes neither values nor statements to the log', async () => {
    const { url } = await start();
    await query(url, "create table t (v text primary key); insert into t values ('private')");
    await expect(query(url, "insert into t values ('private')")).rejects.toMatchObject({ code: '23505' });
    const log = await readFile(join(place, 'data', 'postgres.log'), 'utf8');
    expect(log).toContain('duplicate key');
    expect(log).not.toContain('private');
  });

  test('is used by one server at a time', async () => {
    const { url } = await start();
    await expect(start()).rejects.toThrow(/in use by a running server/);
    expect(await query(url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  test('is shared by guests, who start and stop nothing', async () => {
    const dataDir = join(place, 'data');
    expect(await PostgresServer.running(dataDir)).toBeNull();
    const server = await start();
    const guest = await PostgresServer.running(dataDir);
    expect(guest).toBe(server.url);
    expect(await query(guest!, 'select 1 as one')).toEqual([{ one: 1 }]);
    await server.stop();
    expect(await PostgresServer.running(dataDir)).toBeNull();
    expect(await server.pid()).toBeNull();
  });

  test('of another major version is refused with a sentence', async () => {
    await (await start()).stop();
    await writeFile(join(place, 'data', 'pgdata', 'PG_VERSION'), '15\n');
    await expect(start()).rejects.toMatchObject({
      name: 'PostgresCannotStart',
      message: expect.stringMatching(/PostgreSQL 15.*pg_dump/),
    });
  });

  test('without its access file is refused with a sentence', async () => {
    await (await start()).stop();
    await rm(join(place, 'data', 'access.json'));
    await expect(start()).rejects.toThrow(/access file .* is missing: restore it/);
  });

  test('is begun anew where the first start was cut short', async () => {
    await mkdir(join(place, 'data', 'pgdata.partial', 'base'), { recursive: true });
    expect(await query((await start()).url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  if (root) {
    test('that the user of PostgreSQL cannot reach gives its data a refuge, which ends with it', async () => {
      await mkdir(join(place, 'closed'), { mode: 0o700 });
      const options = { dataDir: join(place, 'closed', 'data'), refuge: join(place, 'refuge') };
      const first = await start(options);
      await query(first.url, 'create table kept as select 42 as answer');
      await first.stop();
      expect(await readdir(options.dataDir)).not.toContain('pgdata');
      const again = await start(options);
      expect(await query(again.url, 'select answer from kept')).toEqual([{ answer: 42 }]);
      await again.stop();
      await rm(options.dataDir, { recursive: true });
      const anew = await start(options);
      expect(await query(anew.url, `select to_regclass('kept') as kept`)).toEqual([{ kept: null }]);
      await anew.stop();
      await PostgresServer.remove(options.dataDir);
      expect((await readdir(options.refuge)).filter((name) => !name.startsWith('postgres-'))).toEqual([]);
    });
  }
});

describe('a PostgreSQL that runs', () => {
  test('is brought back when it was killed, on the same port and with the same data', async () => {
    const said: string[] = [];
    const server = await start({ log: (message) => said.push(message) });
    await query(server.url, 'create table kept as select 42 as answer');
    const killed = (await server.pid()) as number;
    process.kill(killed, 'SIGKILL');
    await until(async () => {
      const pid = await server.pid();
      return pid !== null && pid !== killed;
    });
    const rows = await until(() => query(server.url, 'select answer from kept').catch(() => null));
    expect(rows).toEqual([{ answer: 42 }]);
    await until(async () => said.some((message) => message.startsWith('PostgreSQL is back')));
  });

  test('is not brought back by a server that stops', async () => {
    const server = await start();
    process.kill((await server.pid()) as number, 'SIGKILL');
    await server.stop();
    expect(await server.pid()).toBeNull();
    await expect(query(server.url, 'select 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  test('survives the death of its server and is adopted by the next', async () => {
    const killed = await startInProcess(join(place, 'data'));
    await query(killed.url, 'create table kept as select 42 as answer');
    const [before] = await query(killed.url, 'select pg_postmaster_start_time()::text as at');
    await killed.kill();
    const server = await start();
    expect(server.url).toBe(killed.url);
    expect(await query(server.url, 'select pg_postmaster_start_time()::text as at')).toEqual([before]);
    process.kill((await server.pid()) as number, 'SIGKILL');
    expect(await until(() => query(server.url, 'select answer from kept').catch(() => null))).toEqual([{ answer: 42 }]);
  });

  test('ends with the data that are removed', async () => {
    const killed = await startInProcess(join(place, 'data'));
    await killed.kill();
    await PostgresServer.remove(join(place, 'data'));
    expect(existsSync(join(place, 'data'))).toBe(false);
    await expect(query(killed.url, 'select 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  test('that died with the machine left a lock file, whose process id now belongs to another program', async () => {
    const options = { dataDir: join(place, 'data') };
    await (await start(options)).stop();
    const { runAs, pgdata } = await openHome(options.dataDir, place);
    const other = spawn('/bin/sleep', ['600'], runAs ? { uid: runAs.uid, gid: runAs.gid } : {});
    try {
      await writeFile(join(pgdata, 'postmaster.pid'), `${other.pid}\n${pgdata}\n1\n1\n\n\n\nready\n`, { mode: 0o600 });
      if (runAs) await give(join(pgdata, 'postmaster.pid'), runAs);
      expect(await query((await start(options)).url, 'select 1 as one')).toEqual([{ one: 1 }]);
      expect(other.exitCode).toBeNull();
    } finally {
      other.kill();
    }
  });
});

describe('a throw-away server', () => {
  test('leaves nothing behind', async () => {
    const server = await start({ throwaway: true });
    const [{ data_directory: pgdata }] = (await query(server.url, 'show data_directory')) as [
      { data_directory: string },
    ];
    expect(existsSync(pgdata)).toBe(true);
    await server.stop();
    expect(existsSync(dirname(pgdata))).toBe(false);
    expect(await server.pid()).toBeNull();
  });

  test('ends with the process that started it', async () => {
    const killed = await startInProcess(null);
    const [{ data_directory: pgdata }] = (await query(killed.url, 'show data_directory')) as [
      { data_directory: string },
    ];
    await killed.kill();
    await until(async () => !existsSync(dirname(pgdata)));
    await expect(query(killed.url, 'select 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});

describe('the programs', () => {
  test('get the links that blocked install scripts leave out', async () => {
    const native = join(place, 'native');
    await mkdir(join(native, 'lib'), { recursive: true });
    await writeFile(join(native, 'lib/libpq.so.5.18'), 'library');
    await writeFile(
      join(native, 'pg-symlinks.json'),
      JSON.stringify([
        { source: 'native/lib/libpq.so.5.18', target: 'native/lib/libpq.so.5' },
        { source: 'native/lib/libpq.so.5.18', target: 'native/lib/libpq.so' },
      ]),
    );
    await symlink('libpq.so.5.18', join(native, 'lib/libpq.so'));
    expect(await usable(native, join(place, 'copy'), null)).toBe(native);
    expect(await readFile(join(native, 'lib/libpq.so.5'), 'utf8')).toBe('library');
  });

  test('are copied where the user of PostgreSQL cannot run them', async () => {
    const native = join(place, 'native');
    for (const dir of ['bin', 'share/postgresql']) await mkdir(join(native, dir), { recursive: true });
    await writeFile(join(native, 'bin/postgres'), 'program', { mode: 0o700 });
    await writeFile(join(native, 'share/postgresql/postgres.bki'), 'catalogue', { mode: 0o600 });
    const stranger = { name: 'stranger', uid: 54321, gid: 54321 };
    const copy = join(place, 'copies', 'postgres-18');
    expect(await usable(native, copy, stranger)).toBe(copy);
    expect((await stat(join(copy, 'bin/postgres'))).mode & 0o777).toBe(0o755);
    expect(await usable(copy, join(place, 'unused'), stranger)).toBe(copy);
  });
});

test.each([
  ['FATAL:  could not write to file "pg_wal/xlogtemp.9": No space left on device', /disk that holds \/d is full/],
  ['FATAL:  lock file "postmaster.pid" already exists', /in use by another PostgreSQL/],
  ['FATAL:  data directory "/d" has invalid permissions', /may not use \/d/],
  ['FATAL:  could not map anonymous shared memory: Cannot allocate memory', /not enough memory/],
  ['LOG:  x\nFATAL:  something new', /\(FATAL: {2}something new\): see \/l/],
])('%s is explained', (said, sentence) => {
  expect(explain({ pgdata: '/d', logFile: '/l' }, said).message).toMatch(sentence);
});
