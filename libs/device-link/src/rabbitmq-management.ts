import { randomBytes, sameSecret, sha256Hex } from '@symbolon/crypto';
import { Unavailable } from '@symbolon/kernel';
import type { RabbitMqSettings } from '@symbolon/settings';
import { deliveryLimit, deviceOfQueue, topology } from './rabbitmq-topology';

const patience = 5000;
const saltBytes = 4;
const hashing = 'rabbit_password_hashing_sha256';

type Answer = { readonly status: number; readonly body: unknown };

interface User {
  readonly name: string;
  readonly password_hash: string;
  readonly hashing_algorithm: string;
}

interface Permission {
  readonly user: string;
  readonly configure: string;
  readonly write: string;
  readonly read: string;
}

type TopicPermission = Omit<Permission, 'configure'> & { readonly exchange: string };

/** What the broker has for devices in the vhost. */
export interface Accounts {
  /** Devices with a queue or a user here. */
  readonly devices: ReadonlySet<string>;
  /** Whether everything of a device is there as it must be. */
  isWhole(deviceIdentifier: string, password: string): boolean;
}

/**
 * The management HTTP API of a RabbitMQ, as far as devices need it. Every step may be repeated. Methods throw
 * `Unavailable` while the API cannot be reached.
 */
export class RabbitMqManagement {
  private readonly vhost: string;

  constructor(private readonly settings: RabbitMqSettings) {
    this.vhost = encodeURIComponent(settings.vhost);
  }

  /** Makes the vhost where it is missing, and lets the server's own user into it. */
  async prepareVhost(): Promise<void> {
    const there = await this.find(`/vhosts/${this.vhost}`);
    if (there === null) await this.call('PUT', `/vhosts/${this.vhost}`, {});
    const own = `/permissions/${this.vhost}/${encodeURIComponent(this.settings.login.user)}`;
    if ((await this.find(own)) === null) await this.call('PUT', own, { configure: '.*', write: '.*', read: '.*' });
  }

  /**
   * Makes the queue and the user of a device. A user with another password is made anew, which ends its connections.
   * Its topic permission comes before the others: without one the broker takes any routing key.
   */
  async provision(deviceIdentifier: string, password: string): Promise<void> {
    const queue = this.queuePath(deviceIdentifier);
    if ((await this.find(queue)) === null) await this.call('PUT', queue, await this.queueDefinition());
    const path = this.userPath(deviceIdentifier);
    const user = (await this.find(path)) as User | null;
    if (user && !fits(user, password)) await this.remove(path);
    if (!user || !fits(user, password)) {
      await this.call('PUT', path, { password_hash: hashOf(password), hashing_algorithm: hashing, tags: '' });
    }
    const name = encodeURIComponent(topology.userOf(deviceIdentifier));
    await this.call('PUT', `/topic-permissions/${this.vhost}/${name}`, topicPermissionOf(deviceIdentifier));
    await this.call('PUT', `/permissions/${this.vhost}/${name}`, permissionOf(deviceIdentifier));
  }

  /** Ends a device's user, with it its connections, and its queue. */
  async withdraw(deviceIdentifier: string): Promise<void> {
    await this.remove(this.userPath(deviceIdentifier));
    await this.remove(this.queuePath(deviceIdentifier));
  }

  /** Everything that the vhost has for devices, in four calls. */
  async accounts(): Promise<Accounts> {
    const [users, queues, permissions, topics] = await Promise.all([
      this.get<User[]>('/users'),
      this.get<Array<{ name: string }>>(`/queues/${this.vhost}?columns=name`),
      this.get<Permission[]>(`/vhosts/${this.vhost}/permissions`),
      this.get<TopicPermission[]>(`/vhosts/${this.vhost}/topic-permissions`),
    ]);
    const userOf = new Map(users.map((user) => [user.name, user]));
    const permitted = new Map(permissions.map((permission) => [permission.user, permission]));
    const topicOf = new Map(topics.map((topic) => [topic.user, topic]));
    const queueNames = new Set(queues.map(({ name }) => name));
    const named = [...queueNames, ...[...permitted.keys()].map((user) => user.replace(/^device-/, 'device.'))];
    return {
      devices: new Set(named.map(deviceOfQueue).filter((device) => device !== null)),
      isWhole: (device, password) => {
        const user = userOf.get(topology.userOf(device));
        return (
          queueNames.has(topology.queueOf(device)) &&
          user !== undefined &&
          fits(user, password) &&
          agrees(permitted.get(user.name), permissionOf(device)) &&
          agrees(topicOf.get(user.name), topicPermissionOf(device))
        );
      },
    };
  }

  /** Devices whose queue somebody reads. */
  async readers(): Promise<ReadonlySet<string>> {
    const consumers = await this.get<Array<{ queue: { name: string } }>>(`/consumers/${this.vhost}`);
    return new Set(consumers.map(({ queue }) => deviceOfQueue(queue.name)).filter((device) => device !== null));
  }

  /** A quorum queue of a single node keeps its promises no better than a classic one, and costs more. */
  private async queueDefinition(): Promise<object> {
    const nodes = await this.get<unknown[]>('/nodes?columns=name');
    const kind =
      nodes.length > 1
        ? { 'x-queue-type': 'quorum', 'x-delivery-limit': deliveryLimit }
        : { 'x-queue-type': 'classic' };
    return { durable: true, arguments: { ...kind, 'x-dead-letter-exchange': topology.dead } };
  }

  private queuePath(deviceIdentifier: string): string {
    return `/queues/${this.vhost}/${encodeURIComponent(topology.queueOf(deviceIdentifier))}`;
  }

  private userPath(deviceIdentifier: string): string {
    return `/users/${encodeURIComponent(topology.userOf(deviceIdentifier))}`;
  }

  private async get<T>(path: string): Promise<T> {
    const { body } = await this.call('GET', path);
    return body as T;
  }

  private async find(path: string): Promise<unknown> {
    const { status, body } = await this.call('GET', path, undefined, [404]);
    return status === 404 ? null : body;
  }

  private async remove(path: string): Promise<void> {
    await this.call('DELETE', path, undefined, [404]);
  }

  private async call(method: string, path: string, body?: object, fine: readonly number[] = []): Promise<Answer> {
    const { url, user, password } = this.settings.management;
    const authorization = `Basic ${Buffer.from(`${user}:${password.reveal()}`).toString('base64')}`;
    let status: number;
    let text: string;
    try {
      const answer = await fetch(`${url}/api${path}`, {
        method,
        headers: { authorization, 'content-type': 'application/json' },
        body: body === undefined ? null : JSON.stringify(body),
        redirect: 'error',
        signal: AbortSignal.timeout(patience),
      });
      status = answer.status;
      text = await answer.text();
    } catch (cause) {
      throw new Unavailable('rabbitmq', { cause });
    }
    if (status >= 500) throw new Unavailable('rabbitmq');
    if (status >= 300 && !fine.includes(status))
      throw new Error(`the management API of RabbitMQ answers ${status} to ${method} ${path.split('?', 1)[0]}`);
    return { status, body: status >= 300 || text === '' ? null : JSON.parse(text) };
  }
}

/** What a device may do: read its own queue, write to one exchange, make nothing. */
function permissionOf(deviceIdentifier: string) {
  return { configure: '^$', write: '^symbolon\\.devices$', read: `^device\\.${deviceIdentifier}$` };
}

function topicPermissionOf(deviceIdentifier: string) {
  return { exchange: topology.devices, write: `^${deviceIdentifier}\\.[a-z_.]+$`, read: '^$' };
}

/** The broker's own form: a salt, and SHA-256 over salt and password, in base64. */
function hashOf(password: string, salt: Buffer = randomBytes(saltBytes)): string {
  const digest = Buffer.from(sha256Hex(Buffer.concat([salt, Buffer.from(password)])), 'hex');
  return Buffer.concat([salt, digest]).toString('base64');
}

function fits({ password_hash: hash, hashing_algorithm: algorithm }: User, password: string): boolean {
  const salt = Buffer.from(hash, 'base64').subarray(0, saltBytes);
  return algorithm === hashing && sameSecret(hashOf(password, salt), hash);
}

function agrees<T extends object>(given: object | undefined, wanted: T): boolean {
  return given !== undefined && Object.entries(wanted).every(([name, value]) => value === given[name as never]);
}
