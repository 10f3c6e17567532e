import { uuid7 } from '@symbolon/crypto';
import { type Clock, millisOf } from '@symbolon/kernel';
import type { RabbitMqSettings } from '@symbolon/settings';
import { type AmqpConnectionManager, connect } from 'amqp-connection-manager';
import type { ConfirmChannel, ConsumeMessage } from 'amqplib';
import { DeviceLink, type Envelope, type Receiver, type Sent, type SendOptions } from './device-link';
import type { RabbitMqManagement } from './rabbitmq-management';
import { addressOf, declareShared, envelopeLimit, prefetch, senderOf, topology } from './rabbitmq-topology';

const heartbeatSeconds = 10;
const reconnectSeconds = 1;
/** Messages that are kept for one device that the broker does not know. */
const keptLimit = 100;

export interface RabbitMqDeviceLinkOptions {
  readonly broker: RabbitMqSettings;
  readonly management: RabbitMqManagement;
  readonly clock: Clock;
  readonly log: { warn(fields: object, message: string): void };
  /** Milliseconds; the defaults are those of section 16. */
  readonly timing?: Partial<Timing>;
}

interface Timing {
  /** Between two `device.ping`. */
  readonly ping: number;
  /** Before a message that could not be stored is taken again, and one that the broker refused is sent again. */
  readonly retry: number;
}

interface Outgoing {
  envelope: Envelope;
  keep: boolean;
  expiresAt: string | undefined;
  /** Where it was published last; null while it waits for a connection or for its queue. */
  channel: ConfirmChannel | null;
  readonly settle: Array<(sent: Sent) => void>;
}

/**
 * The RabbitMQ carrier of section 16.7, the server's end: publishes to the queues of devices and reads what all of them
 * send. It connects again by itself; what the broker has not confirmed by then is published again. Which devices have a
 * queue it is told by `admit` and `dismiss`.
 */
export class RabbitMqDeviceLink extends DeviceLink {
  private readonly timing: Timing;
  private readonly outgoing = new Map<string, Map<string, Outgoing>>();
  private readonly admitted = new Set<string>();
  /** Ids of messages that came back since nobody has a queue for them; their confirm follows. */
  private readonly returned = new Set<string>();
  private readonly reachableListeners: Array<() => void> = [];
  private readonly upListeners: Array<() => void> = [];
  private readonly unknownListeners: Array<(deviceIdentifier: string) => void> = [];
  private receiver: Receiver = () => Promise.reject(new Error('nobody receives'));
  private manager: AmqpConnectionManager | null = null;
  private publisher: ConfirmChannel | null = null;
  private consumer: ConfirmChannel | null = null;
  private blocked = false;
  private pinging: NodeJS.Timeout | null = null;
  private closed = false;

  constructor(private readonly options: RabbitMqDeviceLinkOptions) {
    super();
    this.timing = { ping: 30_000, retry: 1000, ...options.timing };
  }

  /** Connects, and connects again until `close`. */
  start(): void {
    const { broker, management, log } = this.options;
    if (this.manager || this.closed) return;
    const manager = connect(null, {
      heartbeatIntervalInSeconds: heartbeatSeconds,
      reconnectTimeInSeconds: reconnectSeconds,
      connectionOptions: { timeout: 10_000, noDelay: true, keepAlive: true },
      findServers: async () => {
        // A vhost that is there is enough, also while the management API is not.
        await management.prepareVhost().catch(() => undefined);
        return addressOf(broker);
      },
    });
    this.manager = manager;
    manager.on('connectFailed', ({ err }) => log.warn({ error: err.message }, 'RabbitMQ cannot be reached'));
    manager.on('disconnect', ({ err }) => {
      this.blocked = false;
      if (!this.closed) log.warn({ error: err?.message }, 'the connection to RabbitMQ was lost');
    });
    manager.on('blocked', ({ reason }) => {
      this.blocked = true;
      log.warn({ reason }, 'RabbitMQ takes no messages');
    });
    manager.on('unblocked', () => {
      this.blocked = false;
      this.tell(this.reachableListeners);
    });
    this.open('publisher', (channel) => this.publish(channel));
    this.open('consumer', (channel) => this.consume(channel));
    this.pinging = setInterval(() => void this.ping(), this.timing.ping).unref();
  }

  /** Whether messages can be sent and received at this moment. */
  get up(): boolean {
    return this.publisher !== null && this.consumer !== null && !this.blocked;
  }

  /** Called with every connection that stands. */
  onUp(listener: () => void): void {
    this.upListeners.push(listener);
  }

  /** Called when the broker had no queue for a device. */
  onUnknown(listener: (deviceIdentifier: string) => void): void {
    this.unknownListeners.push(listener);
  }

  /** Devices without which pings go: others need none by this way. */
  needsNoPing: (deviceIdentifier: string) => boolean = () => false;

  /** The device has its queue. */
  admit(deviceIdentifier: string): void {
    if (this.admitted.has(deviceIdentifier)) return;
    this.admitted.add(deviceIdentifier);
    for (const outgoing of this.outgoing.get(deviceIdentifier)?.values() ?? [])
      if (outgoing.channel === null) this.transmit(outgoing);
    this.tell(this.reachableListeners);
  }

  /** The device has no queue, or not any more. */
  dismiss(deviceIdentifier: string): void {
    this.admitted.delete(deviceIdentifier);
  }

  send(envelope: Envelope, { keep = false, expiresAt }: SendOptions = {}): Promise<Sent> {
    const { deviceIdentifier, id } = envelope;
    const mine = this.outgoing.get(deviceIdentifier) ?? new Map<string, Outgoing>();
    const known = mine.get(id);
    if (!this.up && !known && (!keep || mine.size >= keptLimit)) return Promise.resolve('offline');
    return new Promise((resolve) => {
      const outgoing = known ?? { envelope, keep, expiresAt, channel: null, settle: [] };
      Object.assign(outgoing, { envelope, expiresAt, keep: outgoing.keep || keep });
      outgoing.settle.push(resolve);
      this.outgoing.set(deviceIdentifier, mine.set(id, outgoing));
      this.transmit(outgoing);
    });
  }

  waiting(deviceIdentifier: string): number {
    return this.outgoing.get(deviceIdentifier)?.size ?? 0;
  }

  receive(receiver: Receiver): void {
    this.receiver = receiver;
  }

  /** Nobody is told by a queue who reads it. */
  onConnected(): void {}

  onReachable(listener: () => void): void {
    this.reachableListeners.push(listener);
  }

  connected(): readonly string[] {
    return [];
  }

  reachable(): readonly string[] {
    return this.up ? [...this.admitted] : [];
  }

  /** Connections end with the device's user. */
  disconnect(deviceIdentifier: string): void {
    const left = [...(this.outgoing.get(deviceIdentifier)?.values() ?? [])];
    this.outgoing.delete(deviceIdentifier);
    for (const { settle } of left) for (const done of settle) done('offline');
  }

  /** Ends the connection; what was taken and not confirmed comes again. */
  async close(): Promise<void> {
    this.closed = true;
    if (this.pinging) clearInterval(this.pinging);
    [this.publisher, this.consumer] = [null, null];
    await this.manager?.close().catch(() => undefined);
    for (const deviceIdentifier of [...this.outgoing.keys()]) this.disconnect(deviceIdentifier);
  }

  /** A channel that is made again with every connection. */
  private open(role: 'publisher' | 'consumer', begin: (channel: ConfirmChannel) => Promise<void>): void {
    const { manager } = this;
    const { log } = this.options;
    const setup = async (channel: ConfirmChannel): Promise<void> => {
      const connection = manager?.connection;
      channel.on('error', (error: Error) => log.warn({ error: error.message }, 'RabbitMQ closed a channel'));
      channel.on('close', () => {
        if (this[role] === channel) this[role] = null;
        // The connection may stand all the same, and nobody else would make a new channel on it.
        this.later(() => manager?.connection === connection && this.reconnect());
      });
      await begin(channel);
      this[role] = channel;
      if (this.up) this.stands();
    };
    manager?.createChannel({ name: role, setup }).on('error', (error: Error) => {
      log.warn({ error: error.message }, 'RabbitMQ does not take what it is asked for');
      this.later(() => this[role] === null && this.reconnect());
    });
  }

  private later(act: () => void): void {
    setTimeout(() => this.closed || act(), this.timing.retry).unref();
  }

  private reconnect(): void {
    const connection = this.manager?.connection;
    this.manager?.reconnect();
    // Its listeners are gone, and an error without one would end the process.
    connection?.on('error', () => undefined);
  }

  private stands(): void {
    for (const mine of this.outgoing.values())
      for (const outgoing of mine.values()) if (outgoing.channel !== this.publisher) this.transmit(outgoing);
    this.tell(this.upListeners);
    this.tell(this.reachableListeners);
  }

  private publish(channel: ConfirmChannel): Promise<void> {
    this.returned.clear();
    channel.on('return', ({ properties }) => this.returned.add(String(properties.messageId)));
    return Promise.resolve();
  }

  private transmit(outgoing: Outgoing): void {
    const channel = this.publisher;
    if (!channel) return;
    outgoing.channel = channel;
    const { envelope } = outgoing;
    const confirmed = (error: unknown) => this.confirmed(outgoing, envelope, channel, error);
    try {
      this.put(channel, envelope, outgoing.expiresAt, confirmed);
    } catch {
      // The channel has just closed: its successor sends it.
      outgoing.channel = null;
    }
  }

  private put(
    channel: ConfirmChannel,
    envelope: Envelope,
    expiresAt: string | undefined,
    confirmed: (error: unknown) => void,
  ): void {
    const { id, type, correlationId, deviceIdentifier } = envelope;
    channel.publish(
      '',
      topology.queueOf(deviceIdentifier),
      Buffer.from(JSON.stringify(envelope)),
      {
        mandatory: true,
        deliveryMode: 2,
        contentType: 'application/json',
        messageId: id,
        type,
        userId: this.options.broker.login.user,
        ...(correlationId === null ? {} : { correlationId }),
        ...(expiresAt === undefined
          ? {}
          : { expiration: String(Math.max(0, millisOf(expiresAt) - this.options.clock.millis())) }),
      },
      confirmed,
    );
  }

  private confirmed(outgoing: Outgoing, envelope: Envelope, channel: ConfirmChannel, error: unknown): void {
    const { deviceIdentifier, id } = envelope;
    const mine = this.outgoing.get(deviceIdentifier);
    // It was replaced, or published again on a later channel, whose confirm counts.
    if (mine?.get(id) !== outgoing || outgoing.channel !== channel || outgoing.envelope !== envelope) return;
    if (error) {
      outgoing.channel = null;
      // Of a channel that has closed the successor sends it; a broker that refused is asked again.
      this.later(() => {
        if (outgoing.channel === null && mine.get(id) === outgoing) this.transmit(outgoing);
      });
      return;
    }
    const unknown = this.returned.delete(id);
    if (unknown) this.dismiss(deviceIdentifier);
    if (unknown && outgoing.keep && mine.size <= keptLimit) {
      outgoing.channel = null;
    } else {
      mine.delete(id);
      if (mine.size === 0) this.outgoing.delete(deviceIdentifier);
      for (const done of outgoing.settle) done(unknown ? 'offline' : 'confirmed');
    }
    if (unknown) for (const listener of this.unknownListeners) listener(deviceIdentifier);
  }

  private async consume(channel: ConfirmChannel): Promise<void> {
    await declareShared(channel);
    await channel.prefetch(prefetch);
    await channel.consume(topology.server, (message) => {
      if (message) void this.take(channel, message);
      // The queue was deleted: a new connection makes it again.
      else if (!this.closed) this.reconnect();
    });
  }

  private async take(channel: ConfirmChannel, message: ConsumeMessage): Promise<void> {
    const { log } = this.options;
    const sender = senderOf(message.fields.routingKey);
    if (sender === null) {
      log.warn({}, 'a message to the server that names no device was dropped');
      return this.answer(() => channel.ack(message));
    }
    try {
      await this.receiver(sender, message.content.length > envelopeLimit ? undefined : parse(message.content));
      this.answer(() => channel.ack(message));
    } catch (error) {
      log.warn({ error: nameOf(error) }, 'message of a device could not be stored');
      this.later(() => this.answer(() => channel.nack(message, false, true)));
    }
  }

  /** On a channel that has closed nothing is to be said any more: its messages come again on the next. */
  private answer(say: () => void): void {
    try {
      say();
    } catch {
      return;
    }
  }

  /** To whoever reads his queue. A ping that nobody takes in time is worth nothing, so it is not sent again. */
  private async ping(): Promise<void> {
    if (!this.up) return;
    const readers = await this.options.management.readers().catch((error: unknown) => {
      this.options.log.warn({ error: nameOf(error) }, 'devices are not pinged until the management API answers');
      return new Set<string>();
    });
    const { clock } = this.options;
    for (const deviceIdentifier of readers) {
      if (!this.admitted.has(deviceIdentifier) || this.needsNoPing(deviceIdentifier) || !this.publisher) continue;
      const head = { v: 1, id: uuid7(), type: 'device.ping', deviceIdentifier, correlationId: null } as const;
      const ping: Envelope = { ...head, at: clock.now(), body: {} };
      const { publisher } = this;
      this.answer(() => this.put(publisher, ping, clock.after(30), () => undefined));
    }
  }

  private tell(listeners: ReadonlyArray<() => void>): void {
    for (const listener of listeners) listener();
  }
}

function parse(content: Buffer): unknown {
  try {
    return JSON.parse(content.toString('utf8'));
  } catch {
    return undefined;
  }
}

function nameOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : 'unknown';
}
