import { chmod, link, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  ed25519Public,
  encodePublicKey,
  importEd25519Private,
  importX25519Private,
  KeyFormError,
  parsePublicKey,
  randomBytes,
  x25519Public,
} from '@symbolon/crypto';
import { readIfThere, replaceFile, sweepDrafts } from './durable';
import { exits, Halt } from './halt';

type PrivateKey = ReturnType<typeof importX25519Private>;

/** The device configuration of the contract, section 16.1. */
export interface Configuration {
  readonly deviceIdentifier: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly channelUrl: string;
  readonly jwksUrl: string;
  /** Null unless RabbitMQ is the carrier. */
  readonly broker: BrokerConfiguration | null;
  /** The server's X25519 key: its 32 bytes and the fingerprint of its 100-byte form. */
  readonly cabPublicKey: { readonly raw: Uint8Array; readonly fingerprint: string };
}

/** The `rabbit-*` keys of the configuration. */
export interface BrokerConfiguration {
  readonly host: string;
  readonly port: number;
  readonly vhost: string;
  readonly user: string;
  readonly password: string;
  readonly queue: string;
}

/** How the device reaches the server: WebSocket unless it is told otherwise. */
export const carriers = ['websocket', 'rabbitmq'] as const;
export type Carrier = (typeof carriers)[number];

/** The device's own login (contract, row 36) at the server's public URL. */
export interface Login {
  readonly url: string;
  readonly username: string;
  readonly password: string;
}

/** All secrets of the device. They are made on it and never leave it. */
export interface DeviceKeys {
  readonly exchange: PrivateKey;
  readonly signing: PrivateKey;
  /** 200 hex digits. */
  readonly exchangePublic: string;
  /** 64 hex digits. */
  readonly signingPublic: string;
  /** Wraps the keys of the blobs (crypto.md, section 5, suite 0x10); `kid` is its 16-byte name in their headers. */
  readonly master: { readonly kid: Buffer; readonly key: Buffer };
  /** Makes the file names of the blobs (crypto.md, section 6). */
  readonly naming: Buffer;
}

/** What was fixed at pairing: which keys of the server are trusted, and by which keys the server knows the device. */
export interface Pairing {
  readonly deviceIdentifier: string;
  readonly pairedAt: string;
  readonly cabFingerprint: string;
  /** Ed25519 public keys, 64 hex digits each. */
  readonly signingKeys: readonly string[];
  /** The device's own public keys as they were registered. */
  readonly registered: { readonly publicKey: string; readonly signingKey: string };
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The agent's directory: `device.json` and `login.json` are put there by people, all else is the agent's own. */
export class Home {
  private constructor(readonly dir: string) {}

  /** Takes the directory for this process. Throws `Halt` if it is none or another agent runs on it. */
  static async open(dir: string): Promise<Home> {
    const found = await stat(dir).catch(() => null);
    if (!found?.isDirectory())
      throw new Halt(exits.usage, `${dir} is not a directory. Make it and put device.json and login.json into it.`);
    await chmod(dir, 0o700);
    await takeLock(join(dir, 'agent.lock'), dir);
    await sweepDrafts(dir);
    return new Home(dir);
  }

  path(...parts: string[]): string {
    return join(this.dir, ...parts);
  }

  async close(): Promise<void> {
    await rm(this.path('agent.lock'), { force: true });
  }

  /** Throws `Halt` where it lacks what the carrier needs. */
  async configuration(carrier: Carrier = 'websocket'): Promise<Configuration> {
    const json = await this.json('device.json', 'Retrieve the device configuration (row 41 of the API) into it.');
    const text = (name: string): string => {
      const value = json[name];
      if (typeof value === 'string' && value !== '') return value;
      const advice =
        name === 'client-secret' || name === 'rabbit-pass'
          ? ' It is shown once: retrieve the configuration again with rotate=true.'
          : '';
      throw new Halt(exits.usage, `${this.path('device.json')} has no "${name}".${advice}`);
    };
    const deviceIdentifier = text('device-identifier');
    if (!uuid.test(deviceIdentifier)) throw this.malformed('device.json', 'device-identifier');
    const channelUrl = this.url('device.json', 'channel-url', text('channel-url'), ['ws:', 'wss:']);
    const jwksUrl = this.url('device.json', 'jwks-url', text('jwks-url'), ['http:', 'https:']);
    try {
      const { raw, fingerprint } = parsePublicKey(text('cab-public-key'));
      return {
        deviceIdentifier,
        clientId: text('client-id'),
        clientSecret: text('client-secret'),
        channelUrl,
        jwksUrl,
        broker: carrier === 'rabbitmq' ? this.broker(json, text) : null,
        cabPublicKey: { raw, fingerprint },
      };
    } catch (error) {
      throw error instanceof KeyFormError ? this.malformed('device.json', 'cab-public-key') : error;
    }
  }

  private broker(json: Readonly<Record<string, unknown>>, text: (name: string) => string): BrokerConfiguration {
    if (json['rabbit-host'] === undefined) {
      throw new Halt(
        exits.usage,
        `${this.path('device.json')} has no "rabbit-host": its server has no RabbitMQ, or had none when it was retrieved. Start without --carrier rabbitmq.`,
      );
    }
    const port = json['rabbit-port'];
    if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535)
      throw this.malformed('device.json', 'rabbit-port');
    return {
      host: text('rabbit-host'),
      port,
      vhost: text('rabbit-vhost'),
      user: text('rabbit-user'),
      password: text('rabbit-pass'),
      queue: text('rabbit-queue'),
    };
  }

  async login(): Promise<Login> {
    const json = await this.json(
      'login.json',
      'Put {"url","username","password"} of the device (row 36 of the API) into it.',
    );
    const { url, username, password } = json;
    for (const [name, value] of Object.entries({ url, username, password })) {
      if (typeof value !== 'string' || value === '') throw this.malformed('login.json', name);
    }
    return {
      url: this.url('login.json', 'url', url as string, ['http:', 'https:']).replace(/\/+$/, ''),
      username: username as string,
      password: password as string,
    };
  }

  /** Reads the keys; makes those that are missing as long as the device is not paired. */
  async keys(pairing: Pairing | null): Promise<DeviceKeys> {
    const exchange = importX25519Private(await this.key('exchange.key', 32, pairing));
    const signing = importEd25519Private(await this.key('signing.key', 32, pairing));
    const master = await this.key('master.key', 48, pairing);
    const naming = await this.key('naming.key', 32, pairing);
    return {
      exchange,
      signing,
      exchangePublic: encodePublicKey(x25519Public(exchange)),
      signingPublic: ed25519Public(signing).toString('hex'),
      master: { kid: master.subarray(0, 16), key: master.subarray(16) },
      naming,
    };
  }

  async pairing(): Promise<Pairing | null> {
    const content = await readIfThere(this.path('paired.json'));
    if (!content) return null;
    try {
      return JSON.parse(content.toString()) as Pairing;
    } catch {
      throw new Halt(
        exits.usage,
        `${this.path('paired.json')} is damaged. Start once with --pair-anew to trust the server's present keys.`,
      );
    }
  }

  async savePairing(pairing: Pairing): Promise<void> {
    await replaceFile(this.path('paired.json'), `${JSON.stringify(pairing, null, 2)}\n`);
  }

  private async key(name: string, length: number, pairing: Pairing | null): Promise<Buffer> {
    const path = this.path(name);
    const held = await readIfThere(path);
    if (held?.length === length) return held;
    if (held)
      throw new Halt(
        exits.usage,
        `${path} is damaged. Restore it from a backup: without it the stored data cannot be opened.`,
      );
    if (pairing)
      throw new Halt(
        exits.usage,
        `${path} is missing. Restore it from a backup: without it the stored data cannot be opened.`,
      );
    const made = randomBytes(length);
    await replaceFile(path, made);
    return made;
  }

  private async json(name: string, advice: string): Promise<Record<string, unknown>> {
    const path = this.path(name);
    const content = await readIfThere(path);
    if (!content) throw new Halt(exits.usage, `${path} is missing. ${advice}`);
    await chmod(path, 0o600);
    let value: unknown;
    try {
      value = JSON.parse(content.toString());
    } catch {
      value = null;
    }
    if (typeof value !== 'object' || value === null)
      throw new Halt(exits.usage, `${path} is not a JSON object. ${advice}`);
    return value as Record<string, unknown>;
  }

  private url(file: string, name: string, value: string, protocols: readonly string[]): string {
    if (!URL.canParse(value) || !protocols.includes(new URL(value).protocol)) throw this.malformed(file, name);
    return value;
  }

  private malformed(file: string, name: string): Halt {
    return new Halt(exits.usage, `"${name}" in ${this.path(file)} is malformed or missing.`);
  }
}

async function takeLock(path: string, dir: string): Promise<void> {
  const own = `${path}.${process.pid}`;
  const mine = JSON.stringify({ pid: process.pid, started: await startOf(process.pid) });
  await writeFile(own, mine, { mode: 0o600 });
  try {
    for (;;) {
      try {
        // A link appears with its content, unlike a file that is made and then written.
        await link(own, path);
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const held = await readIfThere(path);
      if (!held) continue;
      if (await holderLives(held.toString())) {
        throw new Halt(
          exits.inUse,
          `Another device agent runs on ${dir}. Stop it first, or give this one a directory of its own.`,
        );
      }
      const stale = `${own}.stale`;
      await rename(path, stale).catch(() => undefined);
      const taken = await readIfThere(stale);
      // Somebody was quicker and his fresh lock was caught instead of the stale one: it goes back.
      if (taken && !taken.equals(held)) await rename(stale, path);
      else await rm(stale, { force: true });
    }
  } finally {
    await rm(own, { force: true });
  }
}

async function holderLives(content: string): Promise<boolean> {
  let holder: { pid?: unknown; started?: unknown };
  try {
    holder = JSON.parse(content) as typeof holder;
  } catch {
    return false;
  }
  if (typeof holder.pid !== 'number') return false;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const started = await startOf(holder.pid);
  return started === null || holder.started === null || started === holder.started;
}

/** Tells a process from a later one with the same number: boot and start time, where the system shows them. */
async function startOf(pid: number): Promise<string | null> {
  try {
    const line = await readFile(`/proc/${pid}/stat`, 'utf8');
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    return `${boot.trim()}/${line.slice(line.lastIndexOf(')') + 2).split(' ')[19]}`;
  } catch {
    return null;
  }
}
