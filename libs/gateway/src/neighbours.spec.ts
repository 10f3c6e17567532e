import { once } from 'node:events';
import {
  Agent,
  createServer,
  type IncomingMessage,
  request as call,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { createLogger } from '@symbolon/observe';
import type { ServiceAddresses } from '@symbolon/settings';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Neighbours } from './neighbours';

const mebibyte = 1024 * 1024;
const size = 64 * mebibyte;
const block = 65_536;
/** What may lie in the buffers of sockets and streams, far below what passes. */
const bound = 32 * mebibyte;

/** A gateway and one service behind it, which behaves as it is told. */
let gateway: Server;
let service: Server;
let neighbours: Neighbours;
let behaviour: RequestListener;
const agent = new Agent();

const listening = async (server: Server): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
};

beforeEach(async () => {
  service = createServer((request, response) => behaviour(request, response));
  const at = { host: '127.0.0.1', port: await listening(service) };
  const addresses = { 'token-vault': at } as ServiceAddresses;
  neighbours = new Neighbours(addresses, new Map(), createLogger({ level: 'silent' }));
  gateway = createServer((raw, response) => {
    const reply = { raw: response, getHeaders: () => ({}), hijack: () => undefined };
    neighbours.forward({ raw, id: 'a' } as FastifyRequest, reply as unknown as FastifyReply, 'token-vault', 'asserted');
  });
  await listening(gateway);
});

afterEach(async () => {
  neighbours.close();
  for (const server of [gateway, service]) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

const send = (method: string) => {
  const { port } = gateway.address() as AddressInfo;
  const request = call({ host: '127.0.0.1', port, method, path: '/upstream/?auth=x', agent });
  request.on('error', () => undefined);
  return request;
};
const answerTo = async (request: ReturnType<typeof send>): Promise<IncomingMessage> =>
  (await once(request, 'response'))[0] as IncomingMessage;

/** Counts what one end has given and the other has not read yet: it lies in the gateway or in the sockets beside it. */
class Passage {
  most = 0;
  private given = 0;
  private read = 0;

  /** As fast as it is taken. */
  readonly source = Readable.from(this.chunks(), { objectMode: false });

  /** A turn of the loop for each chunk. */
  async readSlowly(end: Readable): Promise<number> {
    for await (const chunk of end as AsyncIterable<Buffer>) {
      this.read += chunk.length;
      this.most = Math.max(this.most, this.given - this.read);
      await new Promise((resolve) => setTimeout(resolve));
    }
    return this.read;
  }

  private *chunks(): Generator<Buffer> {
    for (; this.given < size; this.given += block) yield Buffer.alloc(block);
  }
}

test('a service that reads slowly is sent no more than it takes', async () => {
  const passage = new Passage();
  behaviour = (request, response) => void passage.readSlowly(request).then((read) => response.end(String(read)));
  const request = send('POST');
  const answer = answerTo(request);
  await pipeline(passage.source, request);
  expect((await buffer(await answer)).toString()).toBe(String(size));
  expect(passage.most).toBeLessThan(bound);
});

test('a client that reads slowly is sent no more than it takes', async () => {
  const passage = new Passage();
  behaviour = (_, response) => void pipeline(passage.source, response);
  const request = send('GET');
  request.end();
  expect(await passage.readSlowly(await answerTo(request))).toBe(size);
  expect(passage.most).toBeLessThan(bound);
});

test('an upload that breaks off breaks off for the service', async () => {
  const broken = new Promise((resolve) => {
    behaviour = (request) => void request.on('error', resolve).once('data', () => client.destroy());
  });
  const client = send('POST');
  client.write('half');
  expect(await broken).toMatchObject({ code: 'ECONNRESET' });
});

test('a download that the client breaks off ends at the service', async () => {
  const ended = new Promise<ServerResponse>((resolve) => {
    behaviour = (_, response) => {
      response.once('close', () => resolve(response));
      response.write('half');
    };
  });
  const client = send('GET');
  client.end();
  await once(await answerTo(client), 'data');
  client.destroy();
  expect((await ended).writableFinished).toBe(false);
});

test('a download that breaks off at the service breaks off for the client', async () => {
  behaviour = (_, response) => {
    response.writeHead(200, { 'content-length': '8' });
    response.write('half', () => response.destroy());
  };
  const client = send('GET');
  client.end();
  await expect(buffer(await answerTo(client))).rejects.toMatchObject({ code: 'ECONNRESET' });
});

test('a service that refuses early is heard while the client still sends', async () => {
  behaviour = (request, response) => {
    response.writeHead(401, { connection: 'close' });
    response.end('no');
    request.resume();
  };
  const client = send('POST');
  client.write('some');
  const answer = await answerTo(client);
  expect([answer.statusCode, (await buffer(answer)).toString()]).toEqual([401, 'no']);
  client.destroy();
});

test('a service that dies after it has refused early takes no connection of a client with it', async () => {
  const kept = new Agent({ keepAlive: true, maxSockets: 1 });
  const { port } = gateway.address() as AddressInfo;
  const ask = async (body: Buffer): Promise<[number | undefined, string, boolean]> => {
    const request = call({ host: '127.0.0.1', port, method: 'POST', path: '/upstream/?auth=x', agent: kept });
    request.end(body);
    const answer = await answerTo(request);
    return [answer.statusCode, (await buffer(answer)).toString(), request.reusedSocket];
  };
  let refused: IncomingMessage | undefined;
  behaviour = (request, response) => {
    refused = request;
    response.writeHead(413).end('no');
  };
  expect(await ask(Buffer.alloc(3 * mebibyte))).toEqual([413, 'no', false]);
  behaviour = (request, response) => void buffer(request).then(({ length }) => response.end(String(length)));
  const next = ask(Buffer.alloc(9));
  refused?.socket.destroy();
  expect(await next).toEqual([200, '9', true]);
  kept.destroy();
});
