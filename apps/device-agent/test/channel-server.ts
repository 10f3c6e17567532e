import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { type WebSocket, WebSocketServer } from 'ws';
import { envelopeInfo } from '@symbolon/contracts';
import {
  generateEd25519,
  generateKeyPair,
  importX25519Private,
  mintSecret,
  openMessage,
  openStreamFrom,
  parsePublicKey,
  randomBytes,
  sealMessage,
  sealStreamTo,
  sha256Hex,
  signEnvelope,
  uuid7,
  verifyEnvelope,
} from '@symbolon/crypto';
import { instant, SystemClock } from '@symbolon/kernel';

type SigningKeys = ReturnType<typeof generateEd25519>;

export interface Said {
  readonly id: string;
  readonly type: string;
  readonly correlationId: string | null;
  readonly at: string;
  readonly content: Record<string, unknown>;
}

export interface Sending {
  readonly id?: string;
  readonly at?: string;
  /** null: unsigned. */
  readonly signer?: SigningKeys | null;
  readonly sealTo?: Uint8Array;
  readonly deviceIdentifier?: string;
}

/** What an order to write says of bytes. */
export function described(bytes: Uint8Array) {
  return { size: bytes.length, sha256: sha256Hex(bytes) };
}

export function newObjectId(): string {
  return randomBytes(16).toString('hex');
}

/** A server that speaks the device channel (contract, section 16.6) to one device, written without the agent's code. */
export class ChannelServer {
  readonly deviceIdentifier = uuid7();
  readonly username = this.deviceIdentifier;
  readonly password = mintSecret();
  readonly clientId = uuid7();
  clientSecret = mintSecret();
  signer = generateEd25519();
  /** Public keys shown at the JWKS address. */
  jwks: string[] = [this.signer.publicKey];
  jwksFetches = 0;
  registered: { publicKey: string; signingKey: string } | null = null;
  registrations = 0;
  /** Everything that the device said and that was not a repetition, in order. */
  readonly said: Said[] = [];
  /** Ids in the order in which they came, repetitions included. */
  readonly arrivals: string[] = [];
  readonly acked = new Set<string>();
  connections = 0;
  /** Answers of the upgrade, before credentials are looked at. */
  refuseUpgrade: number | null = null;
  /** Confirm what the device says? */
  acking = true;

  private readonly cab = generateKeyPair();
  private readonly http: Server;
  private readonly sockets = new WebSocketServer({ noServer: true, maxPayload: 256 * 1024 });
  private readonly unacked = new Map<string, string>();
  private readonly downloads = new Map<string, (response: ServerResponse) => void>();
  private readonly uploads = new Map<string, (request: IncomingMessage, response: ServerResponse) => void>();
  private readonly watchers = new Set<() => void>();
  private socket: WebSocket | null = null;

  private constructor() {
    this.http = createServer((request, response) => void this.answer(request, response));
    this.http.on('upgrade', (request, socket, head) => {
      const expected = `Basic ${Buffer.from(`${this.clientId}:${this.clientSecret}`).toString('base64')}`;
      const status = this.refuseUpgrade ?? (request.headers.authorization === expected ? null : 401);
      if (status !== null || request.url !== '/device-channel') {
        socket.end(`HTTP/1.1 ${status ?? 404} No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
        return;
      }
      this.sockets.handleUpgrade(request, socket, head, (connected) => this.connected(connected));
    });
  }

  static async start(): Promise<ChannelServer> {
    const server = new ChannelServer();
    server.http.listen(0, '127.0.0.1');
    await once(server.http, 'listening');
    return server;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets.clients) socket.terminate();
    this.http.closeAllConnections();
    this.http.close();
    await once(this.http, 'close');
  }

  get url(): string {
    return `http://127.0.0.1:${(this.http.address() as AddressInfo).port}`;
  }

  get isConnected(): boolean {
    return this.socket !== null;
  }

  configuration(): Record<string, unknown> {
    return {
      'device-identifier': this.deviceIdentifier,
      'client-id': this.clientId,
      'client-secret': this.clientSecret,
      'channel-url': `${this.url.replace('http', 'ws')}/device-channel`,
      'cab-public-key': this.cab.publicKey,
      'jwks-url': `${this.url}/.well-known/jwks.json`,
    };
  }

  /** A directory as a person prepares it for an agent. */
  async newHome(): Promise<string> {
    const dir = await mkdtemp(join(tmpdir(), 'symbolon-agent-'));
    this.furnish(dir);
    return dir;
  }

  furnish(dir: string, changes: Record<string, unknown> = {}): void {
    writeFileSync(join(dir, 'device.json'), JSON.stringify({ ...this.configuration(), ...changes }));
    writeFileSync(
      join(dir, 'login.json'),
      JSON.stringify({ url: this.url, username: this.username, password: this.password }),
    );
  }

  /** Seals, signs and sends a message, and sends it again on every connection until it is acknowledged. */
  order(type: string, content: unknown, sending: Sending = {}): string {
    const envelope = this.seal(type, content, sending);
    this.send(envelope.id, JSON.stringify(envelope));
    return envelope.id;
  }

  seal(
    type: string,
    content: unknown,
    { id = uuid7(), at, signer = this.signer, sealTo, deviceIdentifier }: Sending = {},
  ) {
    const head = { id, type, deviceIdentifier: deviceIdentifier ?? this.deviceIdentifier, correlationId: null };
    const time = at ?? new SystemClock().now();
    const receiver = sealTo ?? parsePublicKey(this.registered?.publicKey ?? '').raw;
    const sealed = sealMessage(
      receiver,
      envelopeInfo(id, type, head.deviceIdentifier),
      Buffer.from(JSON.stringify(content)),
    );
    const sig = signer && signEnvelope(signer.privateKey, { ...head, at: time, sealed });
    return { v: 1, ...head, at: time, body: { sealed: sealed.toString('base64') }, ...(sig && { sig }) };
  }

  plain(type: string, body: unknown, correlationId: string | null = null): string {
    const id = uuid7();
    const at = new SystemClock().now();
    this.send(id, JSON.stringify({ v: 1, id, type, deviceIdentifier: this.deviceIdentifier, correlationId, at, body }));
    return id;
  }

  send(id: string, text: string): void {
    this.acked.delete(id);
    this.unacked.set(id, text);
    this.socket?.send(text);
  }

  /** Confirms what the device has said so far, and says from now on. */
  confirmAll(): void {
    this.acking = true;
    for (const { id } of this.said) this.socket?.send(JSON.stringify({ ack: id }));
  }

  raw(data: string | Buffer): void {
    this.socket?.send(data);
  }

  drop(code?: number): void {
    const socket = this.socket;
    this.socket = null;
    if (code === undefined) socket?.terminate();
    else socket?.close(code);
  }

  /** Reads and says nothing any more on the present connection, but keeps it. */
  goSilent(): void {
    this.socket?.pause();
  }

  /** Offers bytes as a sealed stream to the device, for one complete download. `tear`: break off after so many bytes. */
  offer(
    bytes: Readable | Uint8Array,
    options: { tear?: number; status?: number; before?: Promise<void>; sealTo?: Uint8Array } = {},
  ): string {
    const auth = mintSecret();
    let tear = options.tear;
    this.downloads.set(auth, (response) => {
      if (options.status) {
        response.writeHead(options.status).end();
        return;
      }
      const sealer = sealStreamTo(options.sealTo ?? parsePublicKey(this.registered?.publicKey ?? '').raw);
      const source = bytes instanceof Readable ? bytes : Readable.from([Buffer.from(bytes)], { objectMode: false });
      void (async () => {
        await options.before;
        if (tear === undefined) {
          response.once('finish', () => this.downloads.delete(auth));
          source.pipe(sealer).pipe(response.writeHead(200));
          return;
        }
        const whole = await buffer(source.pipe(sealer));
        response.writeHead(200, { 'content-length': whole.length });
        response.write(whole.subarray(0, tear), () => response.destroy());
        tear = undefined;
      })();
    });
    return `${this.url}/downstream/?auth=${auth}`;
  }

  /** Voids the URL of an offer. */
  revoke(url: string): void {
    this.downloads.delete(new URL(url).searchParams.get('auth') ?? '');
  }

  /** Takes one upload; resolves with the bytes that were sealed to the server. `lose`: take it, but break off the answer. */
  expectUpload(options: { lose?: boolean } = {}): { url: string; bytes: Promise<Buffer> } {
    const auth = mintSecret();
    const bytes = new Promise<Buffer>((resolve, reject) => {
      this.uploads.set(auth, (request, response) => {
        const opened = request.pipe(openStreamFrom([importX25519Private(this.cab.privateKey)]));
        buffer(opened).then((whole) => {
          this.uploads.delete(auth);
          resolve(whole);
          if (options.lose) response.destroy();
          else response.writeHead(204).end();
        }, reject);
      });
    });
    return { url: `${this.url}/upstream/?auth=${auth}`, bytes };
  }

  /** The first thing said about `correlationId` that fits; waits for it. */
  async answerTo(correlationId: string | null, type?: string): Promise<Said> {
    return this.until(() =>
      this.said.find(
        (message) => message.correlationId === correlationId && (type === undefined || message.type === type),
      ),
    );
  }

  async ackOf(id: string): Promise<void> {
    await this.until(() => this.acked.has(id) || undefined);
  }

  /** Waits until `find` gives something. */
  async until<T>(find: () => T | undefined | false): Promise<T> {
    for (;;) {
      const found = find();
      if (found !== undefined && found !== false) return found;
      await new Promise<void>((resolve) => {
        const watcher = (): void => {
          this.watchers.delete(watcher);
          resolve();
        };
        this.watchers.add(watcher);
      });
    }
  }

  /** Something may have happened that somebody waits for. */
  readonly notice = (): void => {
    for (const watcher of [...this.watchers]) watcher();
  };

  private connected(socket: WebSocket): void {
    this.socket = socket;
    this.connections++;
    socket.on('message', (data: Buffer) => this.hear(socket, JSON.parse(data.toString()) as Record<string, unknown>));
    socket.on('close', () => {
      if (this.socket === socket) this.socket = null;
      this.notice();
    });
    socket.on('error', () => undefined);
    for (const text of this.unacked.values()) socket.send(text);
    this.notice();
  }

  private hear(socket: WebSocket, message: Record<string, unknown>): void {
    if (typeof message['ack'] === 'string') {
      this.acked.add(message['ack']);
      this.unacked.delete(message['ack']);
      return this.notice();
    }
    const { id, type, correlationId, at, deviceIdentifier, body, sig } = message as {
      [name: string]: string;
    } & { body: { sealed?: string } & Record<string, unknown> };
    if (deviceIdentifier !== this.deviceIdentifier || !id || !type || !at)
      throw new Error('the device sent a wrong envelope');
    this.arrivals.push(id);
    let content: Record<string, unknown> = body;
    if (type.startsWith('storage.') || type.startsWith('ballot.')) {
      const sealed = Buffer.from(body.sealed ?? '', 'base64');
      const signed = { id, type, deviceIdentifier, correlationId: correlationId ?? null, at, sealed };
      if (!verifyEnvelope(this.registered?.signingKey ?? '', signed, sig ?? ''))
        throw new Error(`${type} is not signed`);
      const text = openMessage(
        [importX25519Private(this.cab.privateKey)],
        envelopeInfo(id, type, deviceIdentifier),
        sealed,
      );
      content = JSON.parse(text.toString()) as Record<string, unknown>;
    }
    if (!this.said.some((known) => known.id === id))
      this.said.push({ id, type, correlationId: correlationId ?? null, at, content });
    if (this.acking) socket.send(JSON.stringify({ ack: id }));
    this.notice();
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '', this.url);
    const auth = searchParams.get('auth') ?? '';
    if (pathname === '/downstream/') return (this.downloads.get(auth) ?? refuse)(response);
    if (pathname === '/upstream/') return (this.uploads.get(auth) ?? ((_, to) => refuse(to)))(request, response);
    const text = (await buffer(request.pipe(new PassThrough()))).toString();
    const body = (text === '' ? {} : JSON.parse(text)) as Record<string, string>;
    const json = (status: number, value: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    };
    if (pathname === '/.well-known/jwks.json') {
      this.jwksFetches++;
      const x = (hex: string): string => Buffer.from(hex, 'hex').toString('base64url');
      return json(200, {
        keys: this.jwks.map((hex) => ({ kty: 'OKP', crv: 'Ed25519', use: 'sig', alg: 'EdDSA', x: x(hex) })),
      });
    }
    if (pathname === '/profile/authenticate') {
      if (body['username'] !== this.username || body['password'] !== this.password)
        return json(401, { code: 'unauthorized' });
      return json(200, { authorizationToken: 'T-device', expiresAt: instant(0) });
    }
    if (request.headers.authorization !== 'Bearer T-device') return json(401, { code: 'unauthorized' });
    if (pathname === '/public-key/retrieve-public-key') {
      return this.registered ? json(200, this.registered) : json(404, { code: 'public_key.not_registered' });
    }
    if (pathname === '/public-key/register-public-key') {
      const { publicKey = '', signingKey = '' } = body;
      parsePublicKey(publicKey);
      this.registrations++;
      this.registered = { publicKey, signingKey };
      return json(202, { commandId: uuid7(), status: 'started' });
    }
    if (pathname.startsWith('/request-status/')) return json(200, { status: 'succeeded', reason: null });
    if (pathname === '/profile/revoke-authorization-token') return json(200, { revoked: true });
    json(404, { code: 'not_found' });
  }
}

function refuse(response: ServerResponse): void {
  response.writeHead(401).end();
}

export async function discard(dir: string): Promise<void> {
  await rm(dir, { recursive: true, force: true });
}
