import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { exits } from '@symbolon/contracts';
import { FileKeyRing, type KeyRing, KeyStore } from '@symbolon/crypto';
import { DeadLetters } from '@symbolon/device-link';
import { runningEmbeddedPostgres, startEmbeddedPostgres } from '@symbolon/embedded-postgres';
import { keyRingOf } from '@symbolon/platform';
import type { Settings } from '@symbolon/settings';
import { Pool } from 'pg';
import { DataDirectory, DataDirectoryInUse } from './data-directory';
import type { Running } from './running';

/** A verb cannot do what it was asked; the message is a sentence that says what to do. */
export class OperateError extends Error {
  constructor(
    message: string,
    readonly key: string,
    readonly exit: number,
  ) {
    super(message);
  }
}

/** Milliseconds for a server that is starting or stopping, and for connections of one that has just ended. */
const patience = { server: 30_000, connections: 5_000 } as const;

/** The database and the key ring of an installation, for one verb. What is opened is closed by `running`. */
export class OperateInstallation {
  private readonly postgresDir: string;

  constructor(
    private readonly settings: Settings,
    private readonly running: Running,
  ) {
    this.postgresDir = join(settings.dataDir, 'postgres');
  }

  /** The database beside a living server, as its guest; without one, for the time of the verb, alone. */
  async besideServer(): Promise<Pool> {
    return this.connect(this.settings.databaseUrl?.reveal() ?? (await this.ownDatabase()));
  }

  /** The database of a server that is stopped, and kept from starting meanwhile. */
  async withoutServer(): Promise<Pool> {
    const given = this.settings.databaseUrl?.reveal();
    if (given === undefined) this.requireOwnDatabase();
    // A database of one's own may be used from a machine without the data directory.
    if (given === undefined || existsSync(this.settings.dataDir)) {
      try {
        this.lock();
      } catch (error) {
        if (!(error instanceof DataDirectoryInUse)) throw error;
        throw serverRuns(`A server is running (process ${error.pid})`);
      }
    }
    const pool = this.connect(given ?? (await this.startDatabase()));
    await this.requireNobody(pool);
    return pool;
  }

  /** The key ring that is there, never a new one, and what it opens. */
  async keys(pool: Pool): Promise<{ ring: KeyRing; keys: KeyStore }> {
    const options = keyRingOf(this.settings.dataDir, this.settings);
    if (!existsSync(options.path)) {
      throw missing(`There is no key ring ${resolve(options.path)}: name the data directory with --data-dir.`);
    }
    const { uid } = statSync(options.path);
    // A ring that is written anew belongs to who writes it, and the server could not read it any more.
    if (process.getuid && process.getuid() !== uid) {
      throw new OperateError(
        `${resolve(options.path)} belongs to the user with the number ${uid}: run this as that user.`,
        'forbidden',
        exits.forbidden,
      );
    }
    const ring = await FileKeyRing.open(options);
    const keys = new KeyStore(pool, ring);
    await keys.open();
    return { ring, keys };
  }

  /** The messages that no device took, where the installation has RabbitMQ. */
  async deadLetters(): Promise<DeadLetters> {
    const { rabbitmq } = this.settings;
    if (!rabbitmq) {
      throw refused(
        'This installation has no RabbitMQ: set SYMBOLON_RABBITMQ_URL as its server has it.',
        'no_rabbitmq',
      );
    }
    const letters = await DeadLetters.open(rabbitmq).catch((error: unknown) => {
      const { message } = error as Error;
      if (/ACCESS.REFUSED|NOT.ALLOWED/.test(message)) {
        const sentence = 'RabbitMQ does not take the login of SYMBOLON_RABBITMQ_URL, or has not its vhost.';
        throw new OperateError(sentence, 'forbidden', exits.forbidden);
      }
      throw new OperateError('RabbitMQ cannot be reached: is it running?', 'unavailable', exits.unavailable);
    });
    this.running.add(() => letters.close());
    return letters;
  }

  private async ownDatabase(): Promise<string> {
    this.requireOwnDatabase();
    for (const deadline = Date.now() + patience.server; ; await delay(100)) {
      const url = await runningEmbeddedPostgres(this.postgresDir);
      if (url !== null) return url;
      try {
        this.lock();
        return await this.startDatabase();
      } catch (error) {
        if (!(error instanceof DataDirectoryInUse) || Date.now() > deadline) throw error;
      }
    }
  }

  private requireOwnDatabase(): void {
    if (existsSync(join(this.postgresDir, 'access.json'))) return;
    throw missing(
      `There is no database in ${resolve(this.settings.dataDir)}: name the data directory with --data-dir, or set DATABASE_URL.`,
    );
  }

  private lock(): void {
    const directory = DataDirectory.open(this.settings.dataDir);
    this.running.add(() => directory.release());
  }

  private async startDatabase(): Promise<string> {
    const starting = startEmbeddedPostgres({ dataDir: this.postgresDir });
    this.running.add(async () => (await starting).stop());
    return (await starting).url;
  }

  private connect(connectionString: string): Pool {
    const pool = new Pool({
      connectionString,
      max: 4,
      application_name: 'symbolon-operate',
      connectionTimeoutMillis: 5000,
    });
    // A connection that breaks is told by the query that was on it.
    pool.on('error', () => undefined);
    this.running.add(() => pool.end());
    return pool;
  }

  /** The lock of the data directory says nothing of servers on other machines. */
  private async requireNobody(pool: Pool): Promise<void> {
    for (const deadline = Date.now() + patience.connections; ; await delay(100)) {
      const { rows } = await pool.query<{ others: number }>(
        `select count(*)::int as others from pg_stat_activity
          where datname = current_database() and application_name in ('symbolon', 'symbolon-log')`,
      );
      if (rows[0]?.others === 0) return;
      if (Date.now() > deadline) throw serverRuns('A server is connected to this database');
    }
  }
}

export function missing(message: string): OperateError {
  return new OperateError(message, 'missing', exits.missing);
}

export function refused(message: string, key: string): OperateError {
  return new OperateError(message, key, exits.refused);
}

function serverRuns(what: string): OperateError {
  return refused(`${what}: stop it, then run this again.`, 'server_running');
}
