import { connect, type Socket } from 'node:net';

export interface HttpAnswer {
  readonly status: number;
  readonly body: Buffer;
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
}

const endOfHead = Buffer.from('\r\n\r\n');

/**
 * One HTTP/1.1 connection that is kept alive, one request at a time. Does no more than it must, because client and
 * server share the processors: answers need a Content-Length.
 */
export class HttpConnection {
  private readonly socket: Socket;
  private received: Buffer = Buffer.alloc(0);
  private waiting: { resolve: (answer: HttpAnswer) => void; reject: (error: Error) => void } | null = null;

  constructor(private readonly port: number) {
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.on('data', (bytes: Buffer) => this.take(bytes));
    this.socket.on('error', (error) => this.fail(error));
    this.socket.on('close', () => this.fail(new Error('the server closed the connection')));
  }

  /** The bytes of a request, to be made once where it is sent many times. */
  encode({ method, path, headers = {}, json }: HttpRequest): Buffer {
    const body = json === undefined ? '' : JSON.stringify(json);
    const lines = [`${method} ${path} HTTP/1.1`, `Host: 127.0.0.1:${this.port}`];
    for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
    if (json !== undefined) {
      lines.push('Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`);
    }
    return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`);
  }

  send(request: Buffer): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
      this.socket.write(request);
    });
  }

  close(): void {
    this.waiting = null;
    this.socket.destroy();
  }

  private take(bytes: Buffer): void {
    this.received = this.received.length === 0 ? bytes : Buffer.concat([this.received, bytes]);
    const end = this.received.indexOf(endOfHead);
    if (end < 0) return;
    const head = this.received.toString('latin1', 0, end);
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    if (length === undefined) return this.fail(new Error('an answer without Content-Length'));
    const from = end + endOfHead.length;
    const to = from + Number(length);
    if (this.received.length < to) return;
    const body = this.received.subarray(from, to);
    this.received = this.received.subarray(to);
    const { waiting } = this;
    this.waiting = null;
    waiting?.resolve({ status: Number(head.slice(9, 12)), body });
  }

  private fail(error: Error): void {
    this.waiting?.reject(error);
    this.waiting = null;
  }
}
