import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

type Json = Record<string, unknown>;

const passed = ['authorization', 'x-dpt-authorization', 'content-type', 'prefer', 'idempotency-key'];

/** Central as its operator might run it: the real server's answers to questions of his choosing. */
export class FalseCentral {
  /** What was asked, as `GET /path`. */
  readonly asked: string[] = [];
  /** Changes what the server is asked. */
  question: (path: string, fields: Json) => Json = (_, fields) => fields;
  /** Changes what the client is told. */
  answer: (path: string, body: Json) => Json = (_, body) => body;

  private constructor(private readonly server: Server) {}

  static async before(url: string): Promise<FalseCentral> {
    const server = createServer();
    const central = new FalseCentral(server);
    server.on('request', (request, response) => {
      central.pass(url, request).then(
        ({ status, headers, body }) => response.writeHead(status, headers).end(body),
        () => response.destroy(),
      );
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return central;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Honest again. */
  repent(): void {
    this.question = (_, fields) => fields;
    this.answer = (_, body) => body;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async pass(url: string, request: IncomingMessage) {
    const path = request.url!.split('?', 1)[0]!;
    this.asked.push(`${request.method} ${path}`);
    const given = await text(request);
    const isJson = request.headers['content-type'] === 'application/json';
    const fields = isJson && given !== '' ? JSON.stringify(this.question(path, JSON.parse(given) as Json)) : given;
    const answer = await fetch(new URL(request.url!, url), {
      method: request.method!,
      headers: Object.fromEntries(
        passed.flatMap((name) => (request.headers[name] ? [[name, String(request.headers[name])]] : [])),
      ),
      body: fields === '' ? null : fields,
    });
    const told = await answer.text();
    const type = answer.headers.get('content-type') ?? '';
    const body = type.startsWith('application/json')
      ? JSON.stringify(this.answer(path, JSON.parse(told) as Json))
      : told;
    return { status: answer.status, headers: { 'content-type': type }, body };
  }
}
