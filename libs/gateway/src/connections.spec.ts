import { once } from 'node:events';
import { createServer, get, Agent, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { Connections } from './connections';

let server: Server;
let connections: Connections;
let answer: () => void;

const port = () => (server.address() as AddressInfo).port;
const opened = async (): Promise<Socket> => {
  const socket = connect(port(), '127.0.0.1');
  await Promise.all([once(socket, 'connect'), once(server, 'connection')]);
  return socket;
};

/** Closed, be it by a reset. */
const ended = (socket: Socket): Promise<void> =>
  new Promise((resolve) =>
    socket
      .on('error', () => undefined)
      .once('close', () => resolve())
      .resume(),
  );

beforeEach(async () => {
  server = createServer((_request, response) => (answer = () => response.end('whole')));
  connections = new Connections(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

test('that were only opened, or have sent half a request, do not hold up the end', async () => {
  const sockets = [await opened(), await opened()];
  sockets[1]!.write('GET / HTTP/1.1\r\nHost: x\r\n');
  const ends = sockets.map((socket) => ended(socket));
  connections.close();
  await Promise.all([...ends, new Promise((resolve) => server.close(resolve))]);
});

test('with a request under way are let finish, and end with its answer', async () => {
  const agent = new Agent({ keepAlive: true });
  const asked = get({ port: port(), host: '127.0.0.1', agent });
  await once(server, 'request');
  connections.close();
  const closed = new Promise((resolve) => server.close(resolve));
  answer();
  const [response] = (await once(asked, 'response')) as [AsyncIterable<Buffer>];
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece);
  expect(Buffer.concat(pieces).toString()).toBe('whole');
  await closed;
  agent.destroy();
});

test('between two requests end as well, and later ones are not taken', async () => {
  const agent = new Agent({ keepAlive: true });
  const asked = get({ port: port(), host: '127.0.0.1', agent });
  await once(server, 'request');
  answer();
  const [response] = (await once(asked, 'response')) as [NodeJS.ReadableStream];
  response.resume();
  await once(response, 'end');
  const socket = asked.socket!;
  connections.close();
  await once(socket, 'close');
  const late = await opened();
  await ended(late);
  await new Promise((resolve) => server.close(resolve));
  agent.destroy();
});
