import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { uuid7 } from '@symbolon/crypto';
import { TestBroker, TestDevice, TestServer } from '@symbolon/testing';
import { connect } from 'amqplib';
import { buildPrograms, temporaryFolder } from './server-process';

jest.setTimeout(180_000);
const program = join(__dirname, '../../../dist/apps/cli/main.cjs');

let broker: TestBroker;
let server: TestServer;
let folder: string;

beforeAll(async () => {
  buildPrograms();
  folder = temporaryFolder();
  broker = await TestBroker.start();
  server = await TestServer.start({ environment: broker.environment });
}, 180_000);

afterAll(async () => {
  await server?.stop();
  await broker?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A verb of the command line, as an operator types it. */
function symbolon(command: string, environment: object = broker.environment) {
  const args = [program, ...command.split(' '), '--data-dir', folder];
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], ...environment };
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, args, { env }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

test('an operator lists, shows, puts back and deletes dead letters', async () => {
  const ada = await server.profile();
  const device = await TestDevice.of(server, ada, { storage: false });
  expect((await symbolon('dead-letters ls')).stdout).toBe('There are no dead letters.\n');

  const connection = await connect(`${broker.url}/symbolon`);
  const channel = await connection.createConfirmChannel();
  const queue = `device.${device.deviceIdentifier}`;
  const [id, other] = [uuid7(), uuid7()];
  for (const messageId of [id, other]) {
    channel.sendToQueue(queue, Buffer.from('{"sealed":"…"}'), { messageId, type: 'storage.write' });
    await channel.waitForConfirms();
    const message = await channel.get(queue);
    if (message) channel.reject(message, false);
  }
  const listed = async () => JSON.parse((await symbolon('dead-letters ls --json')).stdout).deadLetters;
  while ((await listed()).length < 2);
  const about = { type: 'storage.write', queue, reason: 'rejected', diedAt: expect.any(String), bytes: 16 };
  expect(await listed()).toEqual([
    { id, ...about },
    { id: other, ...about },
  ]);
  expect((await symbolon('dead-letters ls')).stdout.split('\n')[1]).toMatch(
    new RegExp(`^${id} +storage.write +${queue} +rejected +\\S+ +16$`),
  );
  expect((await symbolon(`dead-letters show ${id}`)).stdout).toContain('{"sealed":"…"}');

  expect(await symbolon(`dead-letters requeue ${id}`)).toMatchObject({
    code: 0,
    stdout: '1 letter went back to the queue of its device.\n',
  });
  const back = await channel.get(queue, { noAck: true });
  expect(back && back.properties.messageId).toBe(id);
  expect((await symbolon('dead-letters drop all')).stdout).toBe('1 letter deleted.\n');
  expect(await listed()).toEqual([]);
  expect(await symbolon(`dead-letters show ${id}`)).toMatchObject({
    code: 4,
    stderr: expect.stringMatching(/^There is no dead letter /),
  });
  await connection.close();
});

test('says in a sentence what is missing', async () => {
  expect(await symbolon('dead-letters ls', {})).toMatchObject({
    code: 5,
    stderr: 'This installation has no RabbitMQ: set SYMBOLON_RABBITMQ_URL as its server has it.\n',
  });
  const elsewhere = { ...broker.environment, SYMBOLON_RABBITMQ_URL: 'amqp://operator:guess@127.0.0.1:1' };
  expect(await symbolon('dead-letters ls', elsewhere)).toMatchObject({
    code: 6,
    stderr: 'RabbitMQ cannot be reached: is it running?\n',
  });
  const guessed = { ...broker.environment, SYMBOLON_RABBITMQ_URL: broker.url.replace(broker.password, 'guess') };
  const { code, stderr } = await symbolon('dead-letters ls', guessed);
  expect([code, stderr]).toEqual([3, expect.not.stringContaining('guess')]);
  expect((await symbolon('dead-letters drop')).code).toBe(2);
});
