import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { Connections } from './connections';
import { declineUpgrade, wantsWebSocket } from './decline-upgrade';

let server: Server;

beforeEach(async () => {
  server = createServer((request, response) => {
    void text(request).then((body) =>
      response.end(JSON.stringify([request.method, request.url, request.headers, body])),
    );
  });
  server.on('upgrade', (request, socket, head) => declineUpgrade(server, request, socket, head));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterEach(() => new Promise((resolve) => server.close(resolve)));

async function answerTo(...pieces: string[]): Promise<string> {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  for (const piece of pieces) {
    socket.write(piece, 'latin1');
    await new Promise(setImmediate);
  }
  return text(socket);
}

const offer = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n';

test('the request is answered as if nothing had been offered', async () => {
  const answer = await answerTo(`GET /a?b=c HTTP/1.1\r\nHost: x\r\nX-Own: \xe4\r\n${offer}Connection: close\r\n\r\n`);
  expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  const [method, url, headers] = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4));
  expect([method, url]).toEqual(['GET', '/a?b=c']);
  expect(headers).toMatchObject({ host: 'x', 'x-own': 'ä' });
  expect(headers).not.toHaveProperty('upgrade');
  expect(headers).not.toHaveProperty('http2-settings');
});

test('with its body, however it comes in, and the connection goes on', async () => {
  const answer = await answerTo(
    `POST /first HTTP/1.1\r\nHost: x\r\n${offer}Content-Length: 6\r\n\r\nab`,
    'cd',
    'efPOST /second HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nxyz\r\n0\r\n\r\n',
  );
  expect(answer).toContain('"abcdef"]');
  expect(answer).toContain('"xyz"]');
  expect(answer.indexOf('/first')).toBeLessThan(answer.indexOf('/second'));
});

test('a connection may come with an offer in every request, and keeps nothing of the former ones', async () => {
  new Connections(server);
  const listeners: number[] = [];
  server.on('request', ({ socket }) => listeners.push(socket.listenerCount('close')));
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  for (let request = 1; request <= 3; request++) {
    socket.write(`GET / HTTP/1.1\r\nHost: x\r\n${offer}\r\n`);
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 200 OK/);
  }
  socket.destroy();
  expect(listeners).toHaveLength(3);
  expect(new Set(listeners).size).toBe(1);
});

test.each([
  ['GET', 'websocket', true],
  ['GET', 'WebSocket', true],
  ['GET', 'h2c, websocket', true],
  ['GET', 'h2c', false],
  ['GET', '', false],
  ['POST', 'websocket', false],
])('%s with %j asks for a WebSocket: %s', (method, upgrade, expected) => {
  expect(wantsWebSocket({ method, headers: { upgrade } } as IncomingMessage)).toBe(expected);
});
