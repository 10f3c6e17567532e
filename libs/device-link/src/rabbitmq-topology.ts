import type { Channel } from 'amqplib';
import type { RabbitMqSettings } from '@symbolon/settings';

/** Names of section 16.7 of the API contract. */
export const topology = {
  devices: 'symbolon.devices',
  server: 'symbolon.server',
  dead: 'symbolon.dead',
  deadLetters: 'symbolon.dead-letters',
  queueOf: (deviceIdentifier: string) => `device.${deviceIdentifier}`,
  userOf: (deviceIdentifier: string) => `device-${deviceIdentifier}`,
} as const;

/** Times that a quorum queue hands out a message before it is a dead letter. */
export const deliveryLimit = 20;
/** Bytes of an envelope. */
export const envelopeLimit = 262_144;
/** Messages that a consumer may hold unconfirmed. */
export const prefetch = 64;

const uuid = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
const routingKey = new RegExp(`^(${uuid})\\.[a-z_.]+$`);
const queueName = new RegExp(`^device\\.(${uuid})$`);

/** The sender that a routing key names, which the topic permission ties to the user. */
export function senderOf(key: string): string | null {
  return routingKey.exec(key)?.[1] ?? null;
}

export function deviceOfQueue(name: string): string | null {
  return queueName.exec(name)?.[1] ?? null;
}

/** Makes what all devices share; repeating it changes nothing. */
export async function declareShared(channel: Channel): Promise<void> {
  await channel.assertExchange(topology.devices, 'topic', { durable: true });
  await channel.assertExchange(topology.dead, 'fanout', { durable: true });
  await channel.assertQueue(topology.server, { durable: true });
  await channel.bindQueue(topology.server, topology.devices, '#');
  await channel.assertQueue(topology.deadLetters, { durable: true });
  await channel.bindQueue(topology.deadLetters, topology.dead, '');
}

/** What `amqplib` connects to; it decodes the vhost. */
export function addressOf({ tls, host, port, vhost, login }: RabbitMqSettings) {
  return {
    protocol: tls ? 'amqps' : 'amqp',
    hostname: host,
    port,
    vhost: encodeURIComponent(vhost),
    username: login.user,
    password: login.password.reveal(),
  };
}
