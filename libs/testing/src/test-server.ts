import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deviceRouterEntities, deviceRouterMigrations, DeviceRouterModule } from '@symbolon/device-router';
import { serve, type Served, type ServeOptions } from '@symbolon/gateway';
import { identityMigrations, IdentityModule } from '@symbolon/identity';
import type { Clock } from '@symbolon/kernel';
import { createLogger } from '@symbolon/observe';
import { policyMigrations, PolicyModule } from '@symbolon/policy';
import { Settings } from '@symbolon/settings';
import { tokenVaultEntities, tokenVaultMigrations, TokenVaultModule } from '@symbolon/token-vault';
import { votingMigrations, VotingModule } from '@symbolon/voting';
import { type FreshDatabase, freshDatabase } from './database';
import { TestClient } from './test-client';

export interface TestServerOptions {
  readonly clock?: Clock;
  readonly environment?: Record<string, string>;
  /** Only these contexts; what the others would do, the test does. Default: all. */
  readonly contexts?: Pick<ServeOptions, 'modules' | 'migrations' | 'entities'>;
  /** Start again on what an earlier server left. */
  readonly on?: { readonly database: FreshDatabase; readonly dataDir: string; readonly port: number };
}

/** A whole server on a database of its own, for tests: the real application, the cheapest allowed password verifiers. */
export class TestServer extends TestClient {
  private constructor(
    url: string,
    readonly served: Served,
    readonly database: FreshDatabase,
    readonly dataDir: string,
  ) {
    super(url);
  }

  static async start({ clock, environment = {}, contexts = all(), on }: TestServerOptions = {}): Promise<TestServer> {
    const database = on?.database ?? (await freshDatabase());
    const dataDir = on?.dataDir ?? (await mkdtemp(join(tmpdir(), 'symbolon-')));
    const port = on?.port ?? (await freePort());
    const settings = Settings.read({
      SYMBOLON_LISTEN: `127.0.0.1:${port}`,
      SYMBOLON_DATA_DIR: dataDir,
      SYMBOLON_ARGON2_MEMORY_KIB: '19456',
      SYMBOLON_ARGON2_ITERATIONS: '2',
      SYMBOLON_ARGON2_PARALLELISM: '1',
      SYMBOLON_RATE_ADDRESS_PER_MINUTE: '0',
      SYMBOLON_RATE_TOKEN_PER_MINUTE: '0',
      SYMBOLON_LOG_LEVEL: 'silent',
      ...environment,
    });
    const served = await serve({
      settings,
      databaseUrl: database.url,
      dataDir,
      logger: createLogger({ level: settings.logLevel }),
      ...(clock ? { clock } : {}),
      ...contexts,
    });
    return new TestServer(`http://127.0.0.1:${served.port}`, served, database, dataDir);
  }

  get port(): number {
    return this.served.port;
  }

  /** Stops the server; its database and folder go too unless they are kept for a restart. */
  async stop({ keep = false } = {}): Promise<void> {
    await this.served.close();
    if (keep) return;
    await this.database.drop();
    await rm(this.dataDir, { recursive: true, force: true });
  }
}

function all(): Pick<ServeOptions, 'modules' | 'migrations' | 'entities'> {
  return {
    modules: [IdentityModule, TokenVaultModule, DeviceRouterModule, PolicyModule, VotingModule],
    migrations: [
      ...identityMigrations,
      ...tokenVaultMigrations,
      ...deviceRouterMigrations,
      ...policyMigrations,
      ...votingMigrations,
    ],
    entities: [...tokenVaultEntities, ...deviceRouterEntities],
  };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
