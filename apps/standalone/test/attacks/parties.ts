import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { blobName, uuid7 } from '@symbolon/crypto';
import type { Clock } from '@symbolon/kernel';
import {
  connect,
  type DeviceConfiguration,
  type Origin,
  ProfileKeys,
  registerProfile,
  type Session,
} from '@symbolon/sdk';
import { password } from '@symbolon/testing';
import { WebSocket } from 'ws';
import { type RunningAgent, runAgent } from '../../../device-agent/src/agent';
import { filesBelow } from './traces';

export const webSocket = WebSocket as unknown as NonNullable<Origin['webSocket']>;

/** Anything that fails is met again at once. */
const pace = { retryFirst: 20, retryMost: 200, resendAfter: 2000, keySetPause: 0 };

/** An application: a profile with keys of its own, signed in by the SDK. */
export interface Application {
  readonly profileId: string;
  readonly username: string;
  readonly password: string;
  readonly keys: ProfileKeys;
  readonly session: Session;
}

/** Registers a profile at the server and gives it keys that no server has seen. */
export async function application(url: string, secret = password): Promise<Application> {
  const username = `application-${uuid7()}@example.org`;
  const { profileId } = await registerProfile({ url, username, password: secret });
  const session = await connect({ url, username, password: secret, webSocket });
  const keys = await ProfileKeys.generate();
  await session.registerKeys(keys);
  return { profileId, username, password: secret, keys, session };
}

/** The 32-byte secrets of an application's key bundle. */
export function secretsOf(keys: ProfileKeys): Buffer[] {
  const bundle = Buffer.from(keys.toBytes());
  return Array.from({ length: (bundle.length - 2) / 32 }, (_, index) =>
    bundle.subarray(2 + index * 32, 34 + index * 32),
  );
}

interface Logged {
  readonly event: string;
  readonly [field: string]: unknown;
}

/** A device agent on a folder of its own, registered as a storage device of an application. */
export class StorageDevice {
  readonly log: Logged[] = [];
  private agent: RunningAgent | null = null;
  private readonly wakers = new Set<() => void>();

  private constructor(
    readonly dir: string,
    readonly deviceIdentifier: string,
    /** As the server handed them out: the first and only answer that holds the secrets. */
    readonly configuration: DeviceConfiguration,
    readonly login: { readonly url: string; readonly username: string; readonly password: string },
  ) {}

  /** `channelUrl`: somebody who stands between the device and the server. */
  static async of(
    { session }: Application,
    url: string,
    { channelUrl, clock }: { channelUrl?: (real: string) => Promise<string>; clock?: Clock } = {},
  ): Promise<StorageDevice> {
    const { commandId, body } = await session.devices.add('attic');
    const { deviceIdentifier } = body;
    const { username = '', password: secret = '' } = await session.devices.login(commandId);
    await session.devices.approve(deviceIdentifier);
    const configuration = await session.devices.configuration(deviceIdentifier);
    const login = { url, username, password: secret };
    const device = new StorageDevice(
      mkdtempSync(join(tmpdir(), 'symbolon-device-')),
      deviceIdentifier,
      configuration,
      login,
    );
    device.write('login.json', login);
    device.write('device.json', {
      ...configuration,
      ...(channelUrl ? { 'channel-url': await channelUrl(configuration['channel-url']) } : {}),
    });
    await device.start(clock);
    await session.storage.register(deviceIdentifier);
    return device;
  }

  write(name: string, content: object): void {
    writeFileSync(join(this.dir, name), JSON.stringify(content), { mode: 0o600 });
  }

  /** Resolves once it is connected. */
  async start(clock?: Clock): Promise<void> {
    this.agent = runAgent({
      dir: this.dir,
      pace,
      ...(clock ? { clock } : {}),
      log: (event, fields) => {
        this.log.push({ event, ...fields });
        for (const wake of this.wakers) wake();
      },
    });
    await this.agent.ready;
  }

  async stop(): Promise<void> {
    await this.agent?.stop();
    this.agent = null;
  }

  async discard(): Promise<void> {
    await this.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** The first line of its log that fits, waited for. */
  async logged(event: string, fits: (line: Logged) => boolean = () => true): Promise<Logged> {
    for (;;) {
      const found = this.log.find((line) => line.event === event && fits(line));
      if (found) return found;
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.wakers.delete(wake);
          resolve();
        };
        this.wakers.add(wake);
      });
    }
  }

  /** Names of its objects at this device, in the order in which they came. */
  get objectIds(): string[] {
    return [
      ...new Set(this.log.filter(({ event }) => event === 'storage.write').map(({ objectId }) => String(objectId))),
    ];
  }

  /** Everything that lies on its disk. */
  get files(): ReturnType<typeof filesBelow> {
    return filesBelow(this.dir);
  }

  /** Its blobs, L3 bytes. */
  get blobs(): Buffer[] {
    return filesBelow(join(this.dir, 'blobs')).map(({ bytes }) => bytes);
  }

  hasBlob(objectId: string, version = 1): boolean {
    const name = blobName(this.key('naming.key'), objectId, version);
    return this.files.some(({ path }) => path.endsWith(name));
  }

  key(name: 'exchange.key' | 'signing.key' | 'master.key' | 'naming.key'): Buffer {
    return readFileSync(join(this.dir, name));
  }

  /** All its secrets of 32 bytes. */
  get secrets(): Buffer[] {
    return [
      this.key('exchange.key'),
      this.key('signing.key'),
      this.key('master.key').subarray(16),
      this.key('naming.key'),
      Buffer.from(this.configuration['client-secret']!, 'base64url'),
    ];
  }
}

/** What the SDK fetches and opens. */
export async function fetched({ session }: Application, token: string, raw = false): Promise<Buffer> {
  const { stream } = await session.fetch(token, { raw });
  return buffer(stream as never);
}
