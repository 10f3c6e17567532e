import { uuid7 } from '@symbolon/crypto';
import { type RabbitMqSettings, Settings } from '@symbolon/settings';
import { TestBroker, until } from '@symbolon/testing';
import { type ChannelModel, type ConfirmChannel, connect } from 'amqplib';
import { DeadLetters } from './dead-letters';
import { RabbitMqManagement } from './rabbitmq-management';
import { addressOf, declareShared } from './rabbitmq-topology';

let broker: TestBroker;
let settings: RabbitMqSettings;
let management: RabbitMqManagement;
let connection: ChannelModel;
let channel: ConfirmChannel;
let letters: DeadLetters;

beforeAll(async () => {
  broker = await TestBroker.start();
  settings = Settings.read(broker.environment).rabbitmq!;
  management = new RabbitMqManagement(settings);
  await management.prepareVhost();
  connection = await connect(addressOf(settings));
  channel = await connection.createConfirmChannel();
  await declareShared(channel);
}, 90_000);

afterAll(async () => {
  await connection?.close();
  await broker?.stop();
});

beforeEach(async () => {
  await channel.purgeQueue('symbolon.dead-letters');
  letters = await DeadLetters.open(settings);
});
afterEach(() => letters.close());

async function device(): Promise<string> {
  const deviceIdentifier = uuid7();
  await management.provision(deviceIdentifier, 'a password');
  return deviceIdentifier;
}

const depth = async (queue: string) => (await channel.checkQueue(queue)).messageCount;
const untilDepth = (queue: string, count: number) =>
  until(async () => (await depth(queue)) === count, `${count} messages in ${queue}`);

/** A message to a device, which rejects it; answers its id. */
async function dead(deviceIdentifier: string, content = '{"v":1}'): Promise<string> {
  const before = await depth('symbolon.dead-letters');
  const messageId = uuid7();
  const options = { messageId, type: 'storage.write', contentType: 'application/json', deliveryMode: 2 };
  channel.sendToQueue(`device.${deviceIdentifier}`, Buffer.from(content), options);
  await channel.waitForConfirms();
  const message = await channel.get(`device.${deviceIdentifier}`);
  if (message === false) throw new Error('the queue is empty');
  channel.reject(message, false);
  await untilDepth('symbolon.dead-letters', before + 1);
  return messageId;
}

test('what a device rejects and what expires lies among the dead letters, with reason and place', async () => {
  const [one, other] = [await device(), await device()];
  const id = await dead(one);
  channel.sendToQueue(`device.${other}`, Buffer.from('late'), { type: 'device.ping', expiration: '1' });
  await untilDepth('symbolon.dead-letters', 2);
  expect(await letters.list(10)).toEqual([
    {
      id,
      type: 'storage.write',
      queue: `device.${one}`,
      reason: 'rejected',
      diedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/),
      bytes: 7,
    },
    expect.objectContaining({ id: null, type: 'device.ping', queue: `device.${other}`, reason: 'expired', bytes: 4 }),
  ]);
});

test('looking leaves them where they are, in their order', async () => {
  const one = await device();
  const ids = [await dead(one), await dead(one, 'second'), await dead(one)];
  expect((await letters.list(2)).map(({ id }) => id)).toEqual(ids.slice(0, 2));
  await letters.close();
  letters = await DeadLetters.open(settings);
  expect(await letters.show(ids[1]!)).toEqual([expect.objectContaining({ id: ids[1], content: 'second' })]);
  expect(await letters.show(uuid7())).toEqual([]);
  await letters.close();
  letters = await DeadLetters.open(settings);
  expect((await letters.list(10)).map(({ id }) => id)).toEqual(ids);
});

test('one letter goes back to its device as it was, and leaves the dead letters then', async () => {
  const one = await device();
  const [id, kept] = [await dead(one, 'back'), await dead(one)];
  expect(await letters.requeue(id)).toEqual({ requeued: 1, kept: 0 });
  const message = await channel.get(`device.${one}`, { noAck: true });
  if (message === false) throw new Error('nothing came back');
  expect(message.content.toString()).toBe('back');
  expect(message.properties).toMatchObject({
    messageId: id,
    type: 'storage.write',
    contentType: 'application/json',
    deliveryMode: 2,
    userId: broker.user,
  });
  await letters.close();
  await untilDepth('symbolon.dead-letters', 1);
  letters = await DeadLetters.open(settings);
  expect((await letters.list(10)).map(({ id: left }) => left)).toEqual([kept]);
});

test('letters of a device that is gone stay, all the others go back', async () => {
  const [one, gone] = [await device(), await device()];
  await dead(one);
  const kept = await dead(gone);
  await dead(one);
  await management.withdraw(gone);
  expect(await letters.requeue(null)).toEqual({ requeued: 2, kept: 1 });
  await letters.close();
  await untilDepth(`device.${one}`, 2);
  await untilDepth('symbolon.dead-letters', 1);
  letters = await DeadLetters.open(settings);
  expect((await letters.list(10)).map(({ id }) => id)).toEqual([kept]);
});

test('letters are deleted one by one or all', async () => {
  const one = await device();
  const [id] = [await dead(one), await dead(one), await dead(one)];
  expect(await letters.drop(id)).toBe(1);
  expect(await letters.drop(uuid7())).toBe(0);
  await letters.close();
  await untilDepth('symbolon.dead-letters', 2);
  letters = await DeadLetters.open(settings);
  expect(await letters.drop(null)).toBe(2);
  await letters.close();
  await untilDepth('symbolon.dead-letters', 0);
});
