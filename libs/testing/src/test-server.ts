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

export interface TestAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: any;
  readonly text: string;
}

export interface Request {
  readonly token?: string | undefined;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as a form. */
  readonly form?: Record<string, string>;
  readonly body?: RequestInit['body'];
  readonly headers?: Record<string, string>;
  /** Seconds of `Prefer: wait`. */
  readonly wait?: number;
}

export interface TestProfile {
  readonly profileId: string;
  readonly username: string;
  readonly password: string;
  readonly token: string;
}

export interface TestServerOptions {
  readonly clock?: Clock;
  readonly environment?: Record<string, string>;
  /** Only these contexts; what the others would do, the test does. Default: all. */
  readonly contexts?: Pick<ServeOptions, 'modules' | 'migrations' | 'entities'>;
  /** Start again on what an earlier server left. */
  readonly on?: { readonly database: FreshDatabase; readonly dataDir: string; readonly port: number };
}

export const password = 'tall green walnut tree';
let names = 0;

/** A whole server on a database of its own, for tests: the real application, the cheapest allowed password verifiers. */
export class TestServer {
  private constructor(
    readonly url: string,
    readonly served: Served,
    readonly database: FreshDatabase,
    readonly dataDir: string,
  ) {}

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

  async call(
    method: string,
    path: string,
    { token, json, form, body, headers, wait }: Request = {},
  ): Promise<TestAnswer> {
    const answer = await fetch(new URL(path, this.url), {
      method,
      headers: {
        ...(token === undefined ? {} : { 'x-dpt-authorization': token }),
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...(wait === undefined ? {} : { prefer: `wait=${wait}` }),
        ...headers,
      },
      body: json !== undefined ? JSON.stringify(json) : form ? new URLSearchParams(form) : (body ?? null),
    });
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, text, body: parsed(text) };
  }

  get(path: string, request: Request = {}): Promise<TestAnswer> {
    return this.call('GET', path, request);
  }

  post(path: string, request: Request = {}): Promise<TestAnswer> {
    return this.call('POST', path, request);
  }

  /** A command, waited for; throws unless it succeeded. Answers its status object. */
  async done(path: string, fields: object, token?: string): Promise<any> {
    const { status, body } = await this.post(path, { json: fields, wait: 30, token });
    if (status !== 200 || body.status !== 'succeeded')
      throw new Error(`${path} ended as ${status} ${JSON.stringify(body)}`);
    return body;
  }

  async profile({
    withKey = true,
    username = `profile-${process.pid}-${++names}@example.org`,
  } = {}): Promise<TestProfile> {
    const { body } = await this.done('/profile/register-profile', { username, password });
    const token = await this.login(username);
    if (withKey) {
      const { publicKey } = (await this.get('/public-key/generate-keys', { token })).body;
      await this.done('/public-key/register-public-key', { publicKey }, token);
    }
    return { profileId: body.profileId, username, password, token };
  }

  async login(username: string, secret = password): Promise<string> {
    const { status, body } = await this.post('/profile/authenticate', { json: { username, password: secret } });
    if (status !== 200) throw new Error(`login ended as ${status} ${JSON.stringify(body)}`);
    return body.authorizationToken;
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

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
