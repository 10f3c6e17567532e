import { type ChannelModel, type ConfirmChannel, connect, type ConsumeMessage } from 'amqplib';
import { CarrierLink, parseMessage, type Reconnect } from './carrier-link';
import { type Envelope, longestEnvelope } from './envelope';
import type { BrokerConfiguration } from './home';
import type { Receive } from './link';
import type { Log } from './log';

export interface RabbitMqLinkOptions {
  readonly deviceIdentifier: string;
  readonly broker: BrokerConfiguration;
  readonly log: Log;
  readonly reconnect: Reconnect;
  /** Milliseconds after which a message that nobody took is sent again, and one that was not done is taken again. */
  readonly resendAfter: number;
}

interface Outgoing {
  readonly envelope: Envelope;
  readonly content: Buffer;
  /** Where it was published last; null while it waits. */
  channel: ConfirmChannel | null;
}

interface Incoming {
  readonly channel: ConfirmChannel;
  readonly message: ConsumeMessage;
  answered: boolean;
}

const exchange = 'symbolon.devices';
const heartbeatSeconds = 10;
/** Messages taken and not confirmed (contract, section 16.7). */
const prefetch = 64;
/** Messages that wait for the broker; beyond it senders wait. */
const room = 200;
/** A broker that was set up anew knows the device again only once the server has come by. */
const refusalsBeforeHalt = 8;
/** A queue of a single broker does not count how often it hands out a message: from here on it is a dead letter. */
const deliveryLimit = 20;
const farewellMillis = 2000;
/** The port at which brokers speak TLS (IANA: amqps). */
const tlsPort = 5671;

/** The RabbitMQ carrier (contract, section 16.7). */
export class RabbitMqLink extends CarrierLink {
  private readonly outgoing = new Map<string, Outgoing>();
  /** Deliveries under way, by the id of their envelope: a repeated message may lie in the queue several times. */
  private readonly incoming = new Map<string, Set<Incoming>>();
  private readonly deliveries = new Map<string, number>();
  private readonly returned = new Set<string>();
  private readonly timers = new Set<NodeJS.Timeout>();
  private connection: ChannelModel | null = null;
  private channel: ConfirmChannel | null = null;

  constructor(private readonly options: RabbitMqLinkOptions) {
    super(options.reconnect);
  }

  open(receive: Receive): void {
    this.receive = receive;
    void this.connect();
  }

  async send(envelope: Envelope, { passing = false } = {}): Promise<void> {
    const content = Buffer.from(JSON.stringify(envelope));
    if (content.length > longestEnvelope) throw new RangeError('the envelope is too long for the channel');
    if (passing) {
      if (this.channel) this.publish(this.channel, envelope, content, () => undefined);
      return;
    }
    while (this.outgoing.size >= room && !this.closed) await new Promise<void>((resolve) => this.waiting.push(resolve));
    if (this.closed || this.outgoing.has(envelope.id)) return;
    const outgoing: Outgoing = { envelope, content, channel: null };
    this.outgoing.set(envelope.id, outgoing);
    this.transmit(outgoing);
  }

  async close(): Promise<void> {
    if (this.closed) return;
    const { connection } = this;
    const deadline = Date.now() + farewellMillis;
    while (this.channel && this.outgoing.size > 0 && Date.now() < deadline)
      await new Promise<void>((resolve) => {
        this.waiting.push(resolve);
        this.later(resolve, deadline - Date.now());
      });
    this.closed = true;
    for (const timer of this.timers) clearTimeout(timer);
    for (const wake of this.waiting.splice(0)) wake();
    await connection?.close().catch(() => undefined);
  }

  private async connect(): Promise<void> {
    const { host, port, vhost, user, password, queue } = this.options.broker;
    let connection: ChannelModel | null = null;
    let reason = '';
    try {
      const opened = await connect(
        {
          protocol: port === tlsPort ? 'amqps' : 'amqp',
          hostname: host,
          port,
          vhost: encodeURIComponent(vhost),
          username: user,
          password,
          heartbeat: heartbeatSeconds,
        },
        { timeout: 15_000, noDelay: true },
      );
      connection = opened;
      opened.on('error', (error) => (reason ||= error.message));
      const ended = new Promise<void>((resolve) => opened.on('close', () => resolve()));
      if (this.closed) return void (await opened.close());
      this.connection = opened;
      const channel = await opened.createConfirmChannel();
      channel.on('error', (error) => (reason ||= error.message));
      channel.on('close', () => void opened.close().catch(() => undefined));
      channel.on('return', ({ properties }) => this.returned.add(String(properties.messageId)));
      await channel.prefetch(prefetch);
      await channel.consume(queue, (message) => {
        if (message) void this.take(channel, message);
        else void opened.close().catch(() => undefined);
      });
      this.connected(channel);
      await ended;
      reason ||= 'the broker ended the connection';
    } catch (error) {
      reason ||= error instanceof Error ? error.message : 'the connection failed';
      await connection?.close().catch(() => undefined);
    }
    this.disconnected(reason);
  }

  private connected(channel: ConfirmChannel): void {
    this.channel = channel;
    this.refusals = 0;
    this.backoff.reset();
    this.becomeReady();
    this.options.log('connected', { carrier: 'rabbitmq' });
    for (const outgoing of this.outgoing.values()) this.transmit(outgoing);
  }

  private disconnected(reason: string): void {
    this.channel = null;
    this.connection = null;
    this.incoming.clear();
    this.returned.clear();
    if (this.closed) return;
    if (/ACCESS.REFUSED/.test(reason)) this.refusals++;
    if (this.refusals >= refusalsBeforeHalt) return this.haltRefused('broker');
    const wait = this.backoff.next();
    this.options.log('disconnected', { reason, again: `${(wait / 1000).toFixed(1)} s` });
    this.later(() => void this.connect(), wait);
  }

  private async take(channel: ConfirmChannel, message: ConsumeMessage): Promise<void> {
    const content = parseMessage(message.content.toString('utf8'));
    const id = idOf(content);
    const incoming: Incoming = { channel, message, answered: false };
    if (id !== null) this.incoming.set(id, (this.incoming.get(id) ?? new Set()).add(incoming));
    await this.receive(content, (confirmed) => this.confirm(confirmed));
    if (incoming.answered || this.closed) return;
    // What has no id was answered as far as it can be, and comes no other way.
    if (id === null) return this.answer(incoming, (of) => channel.ack(of));
    const count = (this.deliveries.get(id) ?? 0) + 1;
    this.deliveries.set(id, count);
    this.later(() => {
      if (incoming.answered) return;
      if (count >= deliveryLimit) this.options.log('given-up', { id, deliveries: count });
      this.forget(id, incoming);
      if (count >= deliveryLimit) this.deliveries.delete(id);
      this.answer(incoming, (of) => channel.nack(of, false, count < deliveryLimit));
    }, this.options.resendAfter);
  }

  /** Every delivery of the message is confirmed with the first that was done. */
  private confirm(id: string): void {
    this.deliveries.delete(id);
    for (const incoming of this.incoming.get(id) ?? []) {
      this.forget(id, incoming);
      this.answer(incoming, (of) => incoming.channel.ack(of));
    }
  }

  private forget(id: string, incoming: Incoming): void {
    const mine = this.incoming.get(id);
    mine?.delete(incoming);
    if (mine?.size === 0) this.incoming.delete(id);
  }

  private answer(incoming: Incoming, say: (message: ConsumeMessage) => void): void {
    if (incoming.answered) return;
    incoming.answered = true;
    try {
      say(incoming.message);
    } catch {
      // The channel has closed: the broker brings the message again.
    }
  }

  private transmit(outgoing: Outgoing): void {
    const { channel } = this;
    if (!channel || outgoing.channel === channel) return;
    outgoing.channel = channel;
    const { envelope, content } = outgoing;
    this.publish(channel, envelope, content, (error) => {
      if (this.outgoing.get(envelope.id) !== outgoing || outgoing.channel !== channel) return;
      if (error || this.returned.delete(envelope.id)) {
        outgoing.channel = null;
        return this.later(() => this.transmit(outgoing), this.options.resendAfter);
      }
      this.outgoing.delete(envelope.id);
      for (const wake of this.waiting.splice(0)) wake();
    });
  }

  private publish(
    channel: ConfirmChannel,
    { id, type, correlationId }: Envelope,
    content: Buffer,
    confirmed: (error: unknown) => void,
  ): void {
    const { deviceIdentifier, broker } = this.options;
    const options = {
      mandatory: true,
      deliveryMode: 2,
      contentType: 'application/json',
      messageId: id,
      type,
      userId: broker.user,
      ...(correlationId === null ? {} : { correlationId }),
      ...(type === 'device.ping' || type === 'device.pong' ? { expiration: '30000' } : {}),
    };
    try {
      channel.publish(exchange, `${deviceIdentifier}.${type}`, content, options, confirmed);
    } catch {
      // The channel has just closed: its successor sends what is kept.
    }
  }

  private later(act: () => void, millis: number): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      act();
    }, millis);
    this.timers.add(timer);
  }
}

function idOf(message: unknown): string | null {
  const id = typeof message === 'object' && message !== null && 'id' in message ? message.id : null;
  return typeof id === 'string' && id !== '' ? id : null;
}
