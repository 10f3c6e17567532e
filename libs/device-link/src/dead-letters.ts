import type { RabbitMqSettings } from '@symbolon/settings';
import { type ChannelModel, type ConfirmChannel, connect, type GetMessage } from 'amqplib';
import { addressOf, topology } from './rabbitmq-topology';

/** A message that no device took: which, whose, since when and why. `content` is sealed for its receiver. */
export interface DeadLetter {
  /** Of the envelope; null for what is none. */
  readonly id: string | null;
  readonly type: string | null;
  /** Where it lay, `device.<deviceIdentifier>`. */
  readonly queue: string | null;
  /** `rejected`, `expired`, `delivery_limit` or `maxlen`. */
  readonly reason: string | null;
  /** Whole seconds in UTC. */
  readonly diedAt: string | null;
  readonly bytes: number;
}

interface Death {
  readonly queue?: string;
  readonly reason?: string;
  readonly time?: { readonly value?: number };
}

/**
 * The queue of dead letters, for an operator. What is looked at is held while the connection stands and returns to its
 * place with its end, so that a program that is killed loses nothing.
 */
export class DeadLetters {
  private constructor(
    private readonly connection: ChannelModel,
    private readonly channel: ConfirmChannel,
    private readonly user: string,
  ) {}

  /** Throws what `amqplib` throws while the broker cannot be reached. */
  static async open(settings: RabbitMqSettings): Promise<DeadLetters> {
    const connection = await connect(addressOf(settings), { timeout: 10_000 });
    // A connection that breaks is told by the call that was on it.
    connection.on('error', () => undefined);
    const channel = await connection.createConfirmChannel();
    channel.on('error', () => undefined);
    return new DeadLetters(connection, channel, settings.login.user);
  }

  /** The oldest first, up to `most`. */
  async list(most: number): Promise<DeadLetter[]> {
    const letters: DeadLetter[] = [];
    for await (const message of this.held()) {
      if (letters.length >= most) break;
      letters.push(describe(message));
    }
    return letters;
  }

  /** Every letter with this id, with its envelope as text. */
  async show(id: string): Promise<Array<DeadLetter & { readonly content: string }>> {
    const shown = [];
    for await (const message of this.held())
      if (message.properties.messageId === id)
        shown.push({ ...describe(message), content: message.content.toString('utf8') });
    return shown;
  }

  /** Puts letters back into the queues they died in: those with this id, or all. A queue that is gone keeps them here. */
  async requeue(id: string | null): Promise<{ readonly requeued: number; readonly kept: number }> {
    let [requeued, kept] = [0, 0];
    let came = true;
    this.channel.on('return', () => (came = false));
    for await (const message of this.held()) {
      if (id !== null && message.properties.messageId !== id) continue;
      const { queue } = describe(message);
      came = queue !== null;
      if (queue !== null) await this.put(queue, message);
      if (came) {
        this.channel.ack(message);
        requeued++;
      } else kept++;
    }
    await this.channel.waitForConfirms();
    return { requeued, kept };
  }

  /** Deletes letters for good: those with this id, or all. Answers how many. */
  async drop(id: string | null): Promise<number> {
    let dropped = 0;
    for await (const message of this.held()) {
      if (id !== null && message.properties.messageId !== id) continue;
      this.channel.ack(message);
      dropped++;
    }
    return dropped;
  }

  async close(): Promise<void> {
    await this.channel.close().catch(() => undefined);
    await this.connection.close().catch(() => undefined);
  }

  /** Each letter that was there at the beginning, once: none of them returns before the end. */
  private async *held(): AsyncIterable<GetMessage> {
    const { messageCount } = await this.channel.checkQueue(topology.deadLetters);
    for (let left = messageCount; left > 0; left--) {
      const message = await this.channel.get(topology.deadLetters);
      if (message === false) return;
      yield message;
    }
  }

  /** Resolves when the broker has it, or has sent it back, which it says first. */
  private put(queue: string, { content, properties }: GetMessage): Promise<void> {
    const { contentType, messageId, type, correlationId } = properties;
    const options = {
      contentType,
      messageId,
      type,
      correlationId,
      userId: this.user,
      deliveryMode: 2,
      mandatory: true,
    };
    return new Promise((resolve, reject) => {
      this.channel.publish('', queue, content, options, (error) => (error ? reject(error as Error) : resolve()));
    });
  }
}

function describe({ content, properties }: GetMessage): DeadLetter {
  const [death] = (properties.headers?.['x-death'] ?? []) as Death[];
  const seconds = death?.time?.value;
  return {
    id: textOf(properties.messageId),
    type: textOf(properties.type),
    queue: textOf(death?.queue),
    reason: textOf(death?.reason),
    diedAt: typeof seconds === 'number' ? new Date(seconds * 1000).toISOString().replace('.000Z', '+00:00') : null,
    bytes: content.length,
  };
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
