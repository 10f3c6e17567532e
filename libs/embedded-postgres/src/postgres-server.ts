import { type ChildProcess, execFileSync, spawn, type SpawnOptions } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { explain, passes, portTaken, PostgresCannotStart } from './postgres-cannot-start';
import { type Access, give, openHome, type PostgresHome, readAccess } from './postgres-home';

export interface PostgresOptions {
  /** Made if missing and kept. Holds the data, the access file (mode 0600) and the log; not needed for a throw-away server. */
  readonly dataDir?: string;
  /** For tests: data in a temporary directory, nothing synced, dies with this process, leaves nothing behind. */
  readonly throwaway?: boolean;
  /** Told in one sentence whenever the server was adopted, lost or brought back. */
  readonly log?: (message: string) => void;
  /** Where data and programs go when the user of PostgreSQL cannot reach them; `/var/lib/symbolon` unless set. */
  readonly refuge?: string;
  /** Makes a password from URL-safe characters, at least 128 bits. */
  readonly mintPassword: () => string;
}

const settings = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '100',
  shared_buffers: '128MB',
  wal_buffers: '16MB',
  max_wal_size: '512MB',
  random_page_cost: '1.1',
  jit: 'off',
  io_method: 'sync',
  max_parallel_workers_per_gather: '0',
  idle_in_transaction_session_timeout: '60s',
  timezone: 'UTC',
  log_timezone: 'UTC',
  logging_collector: 'off',
  log_destination: 'stderr',
  log_checkpoints: 'off',
  // Neither statements nor the key values of violated constraints may reach the log.
  log_error_verbosity: 'terse',
  log_min_error_statement: 'panic',
};
const careless = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  // A transaction that hangs holds back every follower of every database here: the test that left it open is to fail, not all.
  transaction_timeout: '45s',
  max_connections: '300',
  shared_buffers: '64MB',
};

/** A lock held for as long as this process uses the data directory. The pair of integers is a space of its own. */
const inUse = 'select pg_try_advisory_lock(1398361410, 1) as held';

/**
 * A PostgreSQL of our own: started in a data directory, watched, brought back, stopped.
 *
 * It listens on 127.0.0.1 alone, on a port chosen at start, and lets nobody in without the random password of the access
 * file. It runs in a session of its own, so that a Ctrl-C at the terminal reaches only the server, which then stops it.
 * A killed server leaves it running; the next start adopts it. When PostgreSQL itself is killed it is started again on
 * the same port, at once and then at growing intervals, until `stop()`.
 */
export class PostgresServer {
  private readonly ending = new AbortController();
  private access!: Access;
  private keeper: Client | null = null;
  private keeperEnded: Promise<void> = Promise.resolve();
  private child: ChildProcess | null = null;
  private guardian: ChildProcess | null = null;
  private watching: Promise<void> = Promise.resolve();
  private stopped: Promise<void> | null = null;

  private constructor(
    private readonly home: PostgresHome,
    private readonly options: PostgresOptions,
  ) {}

  /** Resolves when the server takes connections. Throws `PostgresCannotStart`. */
  static async start(options: PostgresOptions): Promise<PostgresServer> {
    const dataDir = options.throwaway ? await mkdtemp(join(tmpdir(), 'symbolon-postgres-')) : options.dataDir;
    if (dataDir === undefined) throw new PostgresCannotStart('PostgreSQL needs a data directory: name one.');
    let server: PostgresServer | null = null;
    try {
      server = new PostgresServer(await openHome(dataDir, options.refuge ?? '/var/lib/symbolon'), options);
      await server.open();
    } catch (error) {
      await server?.abandon();
      if (options.throwaway) await rm(dataDir, { recursive: true, force: true });
      throw error;
    }
    server.watching = server.watch();
    return server;
  }

  /** Deletes the data of `dataDir`, wherever they lie, after ending a PostgreSQL that a killed server left running on them. */
  static async remove(dataDir: string): Promise<void> {
    const pgdata = readAccess(join(dataDir, 'access.json'))?.pgdata;
    if (pgdata !== undefined) {
      const pid = (await readLockFile(pgdata))?.pid;
      if (pid !== undefined && isPostmasterOf(pgdata, pid)) {
        signalProcess(pid, 'SIGQUIT');
        while (isPostmasterOf(pgdata, pid)) await delay(10);
      }
      await rm(pgdata, { recursive: true, force: true, maxRetries: 5 });
      // The place of refuge; another directory is not empty.
      await rmdir(dirname(pgdata)).catch(() => undefined);
    }
    await rm(dataDir, { recursive: true, force: true });
  }

  /**
   * Connection string of the PostgreSQL that runs on `dataDir`, whoever has started it, once it takes connections; null
   * where none runs. Starts, stops and locks nothing: beside a living server one is a guest.
   */
  static async running(dataDir: string): Promise<string | null> {
    const access = readAccess(join(dataDir, 'access.json'));
    if (!access) return null;
    for (;;) {
      const found = await readLockFile(access.pgdata);
      if (!found || !isPostmasterOf(access.pgdata, found.pid)) return null;
      if (found.ready) return urlOf({ ...access, port: found.port });
      await delay(10);
    }
  }

  /** Connection string of the superuser `symbolon` on the database `postgres`. Contains the password. */
  get url(): string {
    return urlOf(this.access);
  }

  /** Process id of the running postmaster, or null. */
  async pid(): Promise<number | null> {
    const found = await this.lockFile();
    return found && this.isPostmaster(found.pid) ? found.pid : null;
  }

  /** Shuts PostgreSQL down in order (open transactions are rolled back) and resolves when it is gone. */
  stop(): Promise<void> {
    this.stopped ??= (async () => {
      this.ending.abort();
      await this.watching;
      await this.halt();
    })();
    return this.stopped;
  }

  /** Whatever passes by itself is tried again for half a minute: a predecessor's last processes, one that is shutting down. */
  private async open(): Promise<void> {
    this.access = await this.readAccess();
    await this.writeAccess();
    if (!existsSync(this.home.pgdata)) await this.initialise();
    const patience = Date.now() + 30_000;
    for (;;) {
      try {
        return await this.raise();
      } catch (error) {
        if (error instanceof PostgresCannotStart || Date.now() > patience) throw error;
        if (error instanceof PortTaken) await this.movePort(await freePort());
        else await delay(100);
      }
    }
  }

  private async readAccess(): Promise<Access> {
    const { access, accessFile, pgdata } = this.home;
    if (access) {
      const usable = (await this.pid()) !== null || (await isFree(access.port));
      return usable ? access : { ...access, port: await freePort() };
    }
    if (existsSync(pgdata)) {
      throw new PostgresCannotStart(
        `The access file ${accessFile} to the data in ${pgdata} is missing: restore it, or choose another data directory.`,
      );
    }
    return { user: 'symbolon', password: this.options.mintPassword(), port: await freePort(), pgdata };
  }

  private async movePort(port: number): Promise<void> {
    this.access = { ...this.access, port };
    await this.writeAccess();
  }

  private async writeAccess(): Promise<void> {
    const { accessFile } = this.home;
    const partial = `${accessFile}.partial`;
    await rm(partial, { force: true });
    const file = await open(partial, 'wx', 0o600);
    try {
      await file.writeFile(JSON.stringify(this.access, null, 2));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(partial, accessFile);
    await syncDirectory(dirname(accessFile));
  }

  /** A cluster is made beside its place and moved there when it is whole, so that a crash leaves nothing half made. */
  private async initialise(): Promise<void> {
    const { pgdata, logFile, runAs, native } = this.home;
    const partial = `${pgdata}.partial`;
    const passwordFile = `${pgdata}.password`;
    await rm(partial, { recursive: true, force: true });
    await rm(passwordFile, { force: true });
    try {
      await mkdir(partial, { mode: 0o700 });
      await writeFile(passwordFile, this.access.password, { mode: 0o600, flag: 'wx' });
      if (runAs) for (const path of [partial, passwordFile]) await give(path, runAs);
      const { code, said } = await run(
        join(native, 'bin/initdb'),
        [
          `--pgdata=${partial}`,
          `--username=${this.access.user}`,
          `--pwfile=${passwordFile}`,
          '--auth=scram-sha-256',
          '--encoding=UTF8',
          '--locale=C',
          '--locale-provider=builtin',
          '--builtin-locale=C.UTF-8',
          '--no-instructions',
          ...(this.options.throwaway ? ['--no-sync'] : []),
        ],
        this.as(),
      );
      if (code !== 0) {
        await writeFile(logFile, said, { mode: 0o600 });
        throw explain(this.home, said);
      }
      await rename(partial, pgdata);
      await syncDirectory(dirname(pgdata));
    } catch (error) {
      await rm(partial, { recursive: true, force: true });
      throw error instanceof PostgresCannotStart ? error : explain(this.home, `error: ${(error as Error).message}`);
    } finally {
      await rm(passwordFile, { force: true });
    }
  }

  /** Adopts the postmaster that runs on our data or starts one, waits until it takes connections, and holds the lock. */
  private async raise(): Promise<void> {
    const running = await this.lockFile();
    if (running && this.isPostmaster(running.pid)) {
      if (running.pid !== this.child?.pid) {
        this.child = null;
        if (running.port > 0 && running.port !== this.access.port) await this.movePort(running.port);
        this.options.log?.(`adopted the running PostgreSQL, process ${running.pid}`);
      }
    } else {
      await this.launch();
    }
    await this.untilReady();
    await this.keep();
  }

  /** Starts a postmaster. PostgreSQL itself replaces a stale lock file unless its process id now belongs to another program. */
  private async launch(): Promise<void> {
    const { pgdata, logFile, native } = this.home;
    const stale = await this.lockFile();
    if (stale && commandLine(stale.pid) !== null) await rm(join(pgdata, 'postmaster.pid'), { force: true });
    await rename(logFile, `${logFile}.1`).catch(() => undefined);
    const log = openSync(logFile, 'a', 0o600);
    const flags = { ...settings, ...(this.options.throwaway ? careless : {}), port: String(this.access.port) };
    try {
      const child = spawn(
        join(native, 'bin/postgres'),
        ['-D', pgdata, ...Object.entries(flags).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
        { ...this.as(), detached: true, stdio: ['ignore', log, log] },
      );
      this.child = child;
      child.unref();
      await new Promise<void>((started, failed) => {
        child.once('spawn', started);
        child.once('error', (cause: NodeJS.ErrnoException) =>
          failed(
            new PostgresCannotStart(
              `The program ${child.spawnfile} does not run here (${cause.code}): set DATABASE_URL to a PostgreSQL of your own.`,
              { cause },
            ),
          ),
        );
      });
    } finally {
      closeSync(log);
    }
    if (this.options.throwaway) this.guard();
  }

  /** Ends a throw-away server when this process is gone, however it went: the end of the pipe is the sign. */
  private guard(): void {
    this.guardian?.stdin?.end('spared\n');
    const script =
      'read -r spared && exit; kill -QUIT "$1"; for i in 1 2 3 4 5 6 7 8 9; do kill -0 "$1" && sleep 1; done; rm -rf "$2" "$3"';
    const { dir, pgdata } = this.home;
    const args = ['-c', script, 'guard', String(this.child?.pid), dir, pgdata];
    this.guardian = spawn('/bin/sh', args, { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
    this.guardian.on('error', () => undefined);
    this.guardian.stdin?.on('error', () => undefined);
    this.guardian.unref();
  }

  /** There is no limit: recovery after a crash takes its time, and a postmaster that gives up ends. */
  private async untilReady(): Promise<void> {
    while (!this.ending.signal.aborted) {
      const found = await this.lockFile();
      if (this.child && gone(this.child)) throw await this.whyEnded();
      if (!this.child && !(found && this.isPostmaster(found.pid))) throw new Ended();
      if (found?.ready && (!this.child || found.pid === this.child.pid)) return;
      await delay(5);
    }
  }

  private async whyEnded(): Promise<Error> {
    const said = (await readFile(this.home.logFile, 'utf8').catch(() => '')).slice(-8192);
    if (portTaken(said)) return new PortTaken();
    return passes(said) ? new Ended() : explain(this.home, said);
  }

  /** One connection of our own: its end tells that PostgreSQL is gone, its lock that the data directory is in use. */
  private async keep(): Promise<void> {
    if (this.ending.signal.aborted) return;
    const keeper = new Client({
      connectionString: this.url,
      application_name: 'keeper',
      connectionTimeoutMillis: 10_000,
    });
    const ended = new Promise<void>((resolve) => keeper.once('end', resolve));
    keeper.on('error', () => undefined);
    try {
      await keeper.connect();
      for (let attempt = 0; !(await keeper.query<{ held: boolean }>(inUse)).rows[0]?.held; attempt++) {
        // A killed predecessor's connection is noticed within moments.
        if (attempt === 40) {
          throw new PostgresCannotStart(
            `The data directory ${this.home.dir} is in use by a running server: stop it, or choose another data directory.`,
          );
        }
        await delay(50);
      }
    } catch (error) {
      await keeper.end().catch(() => undefined);
      if ((error as { code?: string }).code === '28P01') {
        throw new PostgresCannotStart(
          `The password in ${this.home.accessFile} does not open the database in ${this.home.pgdata}: restore the file that belongs to it.`,
        );
      }
      throw error;
    }
    this.keeper = keeper;
    this.keeperEnded = ended;
  }

  private async watch(): Promise<void> {
    const { signal } = this.ending;
    const ended = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    for (;;) {
      await Promise.race([this.keeperEnded, ended]);
      if (signal.aborted) return;
      this.options.log?.('the connection to PostgreSQL was lost; bringing it back');
      const lostAt = Date.now();
      for (let wait = 50; !signal.aborted; wait = Math.min(wait * 2, 5000)) {
        try {
          await this.raise();
          this.options.log?.(`PostgreSQL is back after ${Date.now() - lostAt} ms`);
          break;
        } catch (error) {
          this.options.log?.(`PostgreSQL is not back yet: ${(error as Error).message}`);
          await delay(wait, undefined, { signal }).catch(() => undefined);
        }
      }
    }
  }

  private async abandon(): Promise<void> {
    this.ending.abort();
    await this.halt();
  }

  /** Ends the postmaster if it is ours to end. Throw-away data go with it. */
  private async halt(): Promise<void> {
    const { throwaway } = this.options;
    let pid: number | null = null;
    // A postmaster that has only just been started has no lock file yet.
    if (this.child && !gone(this.child)) pid = this.child.pid ?? null;
    else if (this.keeper) pid = await this.pid();
    await this.keeper?.end().catch(() => undefined);
    if (pid !== null) {
      signalProcess(pid, throwaway ? 'SIGQUIT' : 'SIGINT');
      const patience = Date.now() + 60_000;
      for (let urged = false; this.isPostmaster(pid); await delay(10)) {
        // Immediate shutdown is safe too: the next start recovers from the log.
        if (!urged && Date.now() > patience) urged = signalProcess(pid, 'SIGQUIT');
      }
    }
    if (!throwaway) return;
    this.guardian?.stdin?.end('spared\n');
    await rm(this.home.dir, { recursive: true, force: true, maxRetries: 5 });
    await rm(this.home.pgdata, { recursive: true, force: true });
  }

  private lockFile(): Promise<LockFile | null> {
    return readLockFile(this.home.pgdata);
  }

  private isPostmaster(pid: number): boolean {
    return this.child?.pid === pid ? !gone(this.child) : isPostmasterOf(this.home.pgdata, pid);
  }

  private as(): SpawnOptions {
    const { runAs } = this.home;
    const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C' };
    return { env, cwd: '/', ...(runAs ? { uid: runAs.uid, gid: runAs.gid } : {}) };
  }
}

function urlOf({ user, password, port }: Access): string {
  return `postgres://${user}:${password}@127.0.0.1:${port}/postgres`;
}

class PortTaken extends Error {
  override readonly message = 'another program has taken the port';
}

class Ended extends Error {
  override readonly message = 'processes of the last PostgreSQL are still ending';
}

interface LockFile {
  readonly pid: number;
  readonly port: number;
  readonly ready: boolean;
}

/** The postmaster's own notes on itself: line 1 its process id, 4 its port, 8 its state. */
async function readLockFile(pgdata: string): Promise<LockFile | null> {
  const text = await readFile(join(pgdata, 'postmaster.pid'), 'utf8').catch(() => '');
  const lines = text.split('\n');
  const pid = Number(lines[0]);
  return pid > 0 ? { pid, port: Number(lines[3]), ready: lines[7]?.trim() === 'ready' } : null;
}

function isPostmasterOf(pgdata: string, pid: number): boolean {
  return commandLine(pid)?.includes(`-D\0${pgdata}\0`) ?? false;
}

function gone(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null || child.pid === undefined;
}

/** The arguments of a living process, each followed by NUL; null if there is none. Readable whoever owns the process. */
function commandLine(pid: number): string | null {
  try {
    if (existsSync('/proc/self/cmdline')) return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    return `${execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' })
      .trim()
      .replaceAll(' ', '\0')}\0`;
  } catch {
    return null;
  }
}

function signalProcess(pid: number, signal: NodeJS.Signals): true {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone already.
  }
  return true;
}

async function run(
  file: string,
  args: string[],
  options: SpawnOptions,
): Promise<{ code: number | null; said: string }> {
  const child = spawn(file, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (bytes: Buffer) => (said += bytes.toString()));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, said }));
  });
}

/** A free port below the range from which systems take ports for outgoing connections. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  return new Promise((resolve) => {
    probe.once('error', () => resolve(false));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)));
  });
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
