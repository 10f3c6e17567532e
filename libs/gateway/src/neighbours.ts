import {
  Agent,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as call,
  type ServerResponse,
} from 'node:http';
import type { Socket } from 'node:net';
import { type Duplex, pipeline } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { Commands } from '@symbolon/command-log';
import { assertionHeader, discard, Problem, problemType, refuseUpgrade, unavailable } from '@symbolon/http';
import type { Logger } from '@symbolon/observe';
import { type ServiceAddresses, type ServiceName, serviceNames } from '@symbolon/settings';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** Milliseconds to reach a service in; on one network this takes one at most. */
const patience = 2000;

/** Of one connection, not of the message (RFC 9110, 7.6.1), or said anew by whoever sends. */
const hopByHop = new Set(
  'connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer transfer-encoding upgrade expect host'.split(
    ' ',
  ),
);
/** Credentials concern those who issued them; everybody else learns of the caller by the assertion. */
const credentials = new Set(['authorization', 'x-dpt-authorization', 'cookie']);
/** What the gateway has said already stays as it has said it. */
const ownAnswer = /^(access-control-|ratelimit|vary$|date$|connection$|keep-alive$|transfer-encoding$)/;

/**
 * The services behind a gateway. Hands requests over to them and their answers back as streams, at the pace of the
 * slower side; nothing of a body is kept.
 */
export class Neighbours {
  private readonly agent = new Agent({ keepAlive: true, maxFreeSockets: 256 });
  /** For what must not meet a connection that is just being closed: whether it was done could not be said. */
  private readonly once = new Agent({ keepAlive: false });
  private readonly channels = new Set<Duplex>();

  constructor(
    private readonly services: ServiceAddresses,
    private readonly answers: Commands['answers'],
    private readonly log: Logger,
  ) {}

  /** Answers for the service: with what it says, or 503 where it cannot be reached and so has recorded nothing. */
  forward(request: FastifyRequest, reply: FastifyReply, service: ServiceName, assertion: string): void {
    const { raw: incoming, id } = request;
    const { raw: response } = reply;
    const { host, port } = this.services[service];
    const told = reply.getHeaders() as IncomingHttpHeaders;
    reply.hijack();
    const reading = incoming.method === 'GET' || incoming.method === 'HEAD';
    if (!reading) this.answers.set(id, new Promise((resolve) => response.once('close', resolve)));

    const options = {
      host,
      port,
      method: incoming.method,
      path: incoming.url,
      // Otherwise a service that refuses early would close the connection before its answer was read.
      headers: { ...headersFor(incoming, service), connection: 'keep-alive', [assertionHeader]: assertion },
    };
    let outgoing = call({ ...options, agent: reading ? this.agent : this.once });
    let connection = reached(outgoing);
    let answered = false;
    const answer = (given: IncomingMessage): void => {
      answered = true;
      const commandId = given.headers['x-dpt-cab-id'];
      const pending = this.answers.get(id);
      if (commandId !== id) this.answers.delete(id);
      if (pending && typeof commandId === 'string' && commandId !== id) this.answers.set(commandId, pending);
      response.writeHead(given.statusCode ?? 500, { ...told, ...headersOf(given) });
      // A body that breaks off must break off for the client as well.
      pipeline(given, response, () => undefined);
    };
    const fail = (error: NodeJS.ErrnoException): void => {
      if (answered) {
        // It does not want the rest of the request; the client may have sent all of it, and another one behind it.
        incoming.unpipe(outgoing);
        discard(incoming);
        return;
      }
      if (reading && outgoing.reusedSocket && !response.destroyed) {
        // The service closed the connection while it lay idle.
        outgoing = call({ ...options, agent: this.once });
        connection = reached(outgoing);
        outgoing.once('response', answer).on('error', fail).end();
        return;
      }
      this.answers.delete(id);
      const nothingDone = reading || !connection.made;
      this.log.warn({ service, code: error.code }, 'a service cannot be reached');
      sendRaw(response, nothingDone ? unavailable() : new Problem(500, 'internal_error'), told);
      incoming.unpipe(outgoing);
      discard(incoming);
    };
    outgoing.once('response', answer).on('error', fail);
    response.once('close', () => {
      if (!response.writableFinished) outgoing.destroy();
    });
    if (reading) outgoing.end();
    else {
      // Not a pipeline: a service that refuses early must not end the request before its answer was read.
      incoming.on('aborted', () => outgoing.destroy());
      incoming.pipe(outgoing);
    }
  }

  /** Connects a client that asks to become a WebSocket with the service that serves it. */
  upgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer, service: ServiceName, assertion: string): void {
    const { host, port } = this.services[service];
    const headers = { ...incoming.headers, host: undefined, [assertionHeader]: assertion };
    const outgoing = call({ host, port, path: incoming.url, headers: defined(headers), agent: false });
    reached(outgoing);
    outgoing.once('upgrade', (answer, upstream, upstreamHead) => {
      socket.write(statusLine(answer));
      if (upstreamHead.length > 0) socket.write(upstreamHead);
      if (head.length > 0) upstream.write(head);
      this.join(socket, upstream);
    });
    outgoing.once('response', (answer) => {
      socket.write(statusLine(answer));
      pipeline(answer, socket, () => socket.destroy());
    });
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      this.log.warn({ service, code: error.code }, 'a service cannot be reached');
      refuseUpgrade(socket, unavailable());
    });
    socket.once('close', () => outgoing.destroy());
    outgoing.end();
  }

  /** Whether each service says that it is ready. */
  async up(): Promise<Record<string, boolean>> {
    const found = await Promise.all(
      serviceNames.map(async (name) => [name, (await this.ask(name, '/health/ready'))?.status === 200] as const),
    );
    return Object.fromEntries(found);
  }

  /** What the services miss. */
  async missing(): Promise<Record<string, boolean>> {
    const answers = await Promise.all(serviceNames.map((name) => this.ask(name, '/health')));
    const checks = answers.flatMap((answer) => Object.entries(checksOf(answer?.text)));
    return Object.fromEntries(checks.filter(([, state]) => state === 'down').map(([name]) => [name, false]));
  }

  close(): void {
    for (const socket of this.channels) socket.destroy();
    this.agent.destroy();
    this.once.destroy();
  }

  /** Null where it cannot be reached. */
  private ask(service: ServiceName, path: string): Promise<{ status: number | undefined; text: string } | null> {
    const { host, port } = this.services[service];
    return new Promise((resolve) => {
      const asking = call({ host, port, path, agent: this.agent, timeout: patience });
      asking.once('response', (answer) => {
        text(answer).then(
          (read) => resolve({ status: answer.statusCode, text: read }),
          () => resolve(null),
        );
      });
      asking.once('timeout', () => asking.destroy());
      asking.once('error', () => resolve(null));
      asking.end();
    });
  }

  private join(client: Duplex, upstream: Duplex): void {
    this.channels.add(client);
    const end = () => {
      this.channels.delete(client);
      client.destroy();
      upstream.destroy();
    };
    pipeline(client, upstream, end);
    pipeline(upstream, client, end);
  }
}

/** Of an answer to a question about health. */
function checksOf(answer: string | undefined): object {
  try {
    return (JSON.parse(answer ?? '{}') as { checks?: object }).checks ?? {};
  } catch {
    return {};
  }
}

/** Notes whether a connection was made; without one, the call fails after a while. */
function reached(outgoing: ClientRequest): { made: boolean } {
  const connection = { made: false };
  outgoing.once('socket', (socket: Socket) => {
    if (!socket.connecting) {
      connection.made = true;
      return;
    }
    const late = setTimeout(() => outgoing.destroy(Object.assign(new Error('late'), { code: 'ETIMEDOUT' })), patience);
    socket.once('connect', () => {
      connection.made = true;
      clearTimeout(late);
    });
    socket.once('close', () => clearTimeout(late));
  });
  return connection;
}

function headersFor({ rawHeaders }: IncomingMessage, service: ServiceName): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!.toLowerCase();
    const value = rawHeaders[index + 1]!;
    if (hopByHop.has(name) || name.startsWith('x-symbolon-')) continue;
    if (credentials.has(name) && service !== 'identity') continue;
    const before = headers[name];
    headers[name] = before === undefined ? value : [before, value].flat();
  }
  return headers;
}

function headersOf({ headers }: IncomingMessage): Record<string, string | string[]> {
  return defined(Object.fromEntries(Object.entries(headers).filter(([name]) => !ownAnswer.test(name))));
}

function defined(headers: IncomingHttpHeaders): Record<string, string | string[]> {
  return Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined)) as Record<
    string,
    string | string[]
  >;
}

function statusLine({ statusCode, statusMessage, rawHeaders }: IncomingMessage): string {
  const lines = [`HTTP/1.1 ${statusCode} ${statusMessage}`];
  for (let index = 0; index < rawHeaders.length; index += 2)
    lines.push(`${rawHeaders[index]}: ${rawHeaders[index + 1]}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

function sendRaw(response: ServerResponse, problem: Problem, told: IncomingHttpHeaders): void {
  if (response.headersSent) return void response.destroy();
  const body = JSON.stringify(problem.body());
  response.writeHead(problem.status, {
    ...defined(told),
    ...problem.options.headers,
    'content-type': problemType,
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}
