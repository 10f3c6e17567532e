import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { uuid7 } from '@symbolon/crypto';
import { Problem, refuseMalformedHandshakes, refuseUpgrade, unauthorized, unavailable } from '@symbolon/http';
import type { Clock } from '@symbolon/kernel';
import { type RawData, WebSocket, WebSocketServer } from 'ws';
import {
  type DeviceCredentials,
  DeviceLink,
  type Envelope,
  type Receiver,
  type Sent,
  type SendOptions,
} from './device-link';

export const channelPath = '/device-channel';
export const subprotocol = 'symbolon.device.v1';

/** Close codes of section 16.6, and one of RFC 6455. */
export const closeCodes = { revoked: 4401, silent: 4408, replaced: 4409, goingAway: 1001 } as const;

/** Bytes of a frame. */
const frameLimit = 262_144;
/** Envelopes that may wait for their ack, in each direction. */
const window = 100;
/** Bytes of frames that may be on the way to one device; a lone larger frame goes all the same. */
const windowBytes = 8 * 1_048_576;
/** Milliseconds in which a device may answer the close of a server that stops. */
const farewellMillis = 1000;
/** Messages that are kept for one device while it has no connection. */
const keptLimit = 100;

export interface WebSocketDeviceLinkOptions {
  readonly credentials: DeviceCredentials;
  readonly clock: Clock;
  readonly log: { warn(fields: object, message: string): void };
  /** Milliseconds; the defaults are those of section 16. */
  readonly timing?: Partial<Timing>;
}

interface Timing {
  /** An envelope without ack is sent again after this time. */
  readonly resend: number;
  /** Between two `device.ping`. */
  readonly ping: number;
  /** A connection without a frame for so long is closed. */
  readonly silence: number;
}

interface Outgoing {
  readonly id: string;
  readonly keep: boolean;
  frame: string;
  /** Monotonic milliseconds; null while it waits for room in the window. */
  sentAt: number | null;
  readonly settle: Array<(sent: Sent) => void>;
}

/** The WebSocket carrier of section 16.6. Give it the upgrade requests for `/device-channel`. */
export class WebSocketDeviceLink extends DeviceLink {
  private readonly server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: frameLimit,
    perMessageDeflate: false,
    handleProtocols: () => subprotocol,
  });
  private readonly connections = new Map<string, Connection>();
  private readonly kept = new Map<string, Map<string, Outgoing>>();
  private readonly listeners: Array<(deviceIdentifier: string) => void> = [];
  private receiver: Receiver = () => Promise.reject(new Error('nobody receives'));
  private readonly timing: Timing;
  private timer: NodeJS.Timeout | null = null;
  private closed = false;

  constructor(private readonly options: WebSocketDeviceLinkOptions) {
    super();
    refuseMalformedHandshakes(this.server);
    this.timing = { resend: 30_000, ping: 30_000, silence: 90_000, ...options.timing };
  }

  /** Takes over the upgrade requests of a server, as far as they are for the device channel. */
  attach(server: Server): void {
    server.on('upgrade', (request, socket, head) => {
      if (request.url?.split('?', 1)[0]?.replace(/(.)\/$/, '$1') === channelPath)
        this.handleUpgrade(request, socket, head);
    });
  }

  /** Answers an upgrade request for `/device-channel`: 401 before the upgrade, or a connection. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const ignore = () => socket.destroy();
    socket.on('error', ignore);
    void this.accept(request, socket, head).then(
      (refusal) => {
        socket.off('error', ignore);
        if (refusal) refuseUpgrade(socket, refusal);
      },
      (error: unknown) => {
        this.options.log.warn({ error: nameOf(error) }, 'device could not be let in');
        refuseUpgrade(socket, unavailable());
      },
    );
  }

  send(envelope: Envelope, { keep = false }: SendOptions = {}): Promise<Sent> {
    const { deviceIdentifier } = envelope;
    const connection = this.connections.get(deviceIdentifier);
    const frame = JSON.stringify(envelope);
    return new Promise((resolve) => {
      const outgoing: Outgoing = { id: envelope.id, keep, frame, sentAt: null, settle: [resolve] };
      if (connection) connection.send(outgoing);
      else this.keep(deviceIdentifier, [outgoing]);
    });
  }

  waiting(deviceIdentifier: string): number {
    return this.connections.get(deviceIdentifier)?.waiting() ?? this.kept.get(deviceIdentifier)?.size ?? 0;
  }

  receive(receiver: Receiver): void {
    this.receiver = receiver;
  }

  onConnected(listener: (deviceIdentifier: string) => void): void {
    this.listeners.push(listener);
  }

  /** Only who has connected can be reached. */
  onReachable(): void {}

  connected(): readonly string[] {
    return [...this.connections.keys()];
  }

  reachable(): readonly string[] {
    return this.connected();
  }

  isConnected(deviceIdentifier: string): boolean {
    return this.connections.has(deviceIdentifier);
  }

  disconnect(deviceIdentifier: string, code: number): void {
    this.connections.get(deviceIdentifier)?.close(code);
    for (const { settle } of this.kept.get(deviceIdentifier)?.values() ?? [])
      for (const done of settle) done('offline');
    this.kept.delete(deviceIdentifier);
  }

  /** Closes every connection and takes no more. Resolves when the sockets are gone, which devices have a moment for. */
  async close(): Promise<void> {
    this.closed = true;
    if (this.timer) clearInterval(this.timer);
    const gone = [...this.connections.values()].map((connection) => connection.leave(closeCodes.goingAway));
    for (const deviceIdentifier of [...this.kept.keys()]) this.disconnect(deviceIdentifier, closeCodes.goingAway);
    await Promise.all(gone);
  }

  /** Null when the socket was upgraded. */
  private async accept(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<Problem | null> {
    if (this.closed) return unavailable();
    const credentials = basicCredentials(request.headers.authorization);
    const deviceIdentifier = credentials && (await this.options.credentials.verify(...credentials));
    if (!credentials || !deviceIdentifier) return unauthorized();
    const offered = String(request.headers['sec-websocket-protocol'] ?? '').split(',');
    if (!offered.some((name) => name.trim() === subprotocol)) return new Problem(400, 'request_malformed');
    if (socket.destroyed) return null;
    this.server.handleUpgrade(request, socket, head, (webSocket) =>
      this.open(deviceIdentifier, webSocket, credentials),
    );
    return null;
  }

  private open(deviceIdentifier: string, socket: WebSocket, credentials: readonly [string, string]): void {
    this.connections.get(deviceIdentifier)?.close(closeCodes.replaced);
    const connection: Connection = new Connection(deviceIdentifier, socket, this.timing, this.options, {
      receive: (message) => this.receiver(deviceIdentifier, message),
      closed: (left) => {
        if (this.connections.get(deviceIdentifier) === connection) this.connections.delete(deviceIdentifier);
        this.keep(deviceIdentifier, left);
      },
    });
    this.connections.set(deviceIdentifier, connection);
    const tick = Math.max(10, Math.min(1000, this.timing.resend / 3, this.timing.ping / 3, this.timing.silence / 3));
    this.timer ??= setInterval(() => this.tick(), tick).unref();
    for (const outgoing of this.kept.get(deviceIdentifier)?.values() ?? []) connection.send(outgoing);
    this.kept.delete(deviceIdentifier);
    for (const listener of this.listeners) listener(deviceIdentifier);
    void this.confirmCredentials(connection, credentials);
  }

  /** Credentials may have been withdrawn between their check and the moment from which `disconnect` finds us. */
  private async confirmCredentials(connection: Connection, credentials: readonly [string, string]): Promise<void> {
    const still = await this.options.credentials.verify(...credentials).catch(() => connection.deviceIdentifier);
    if (still !== connection.deviceIdentifier) connection.close(closeCodes.revoked);
  }

  private keep(deviceIdentifier: string, left: readonly Outgoing[]): void {
    const connection = this.connections.get(deviceIdentifier);
    for (const outgoing of left) {
      if (connection) {
        if (outgoing.keep) connection.send(outgoing);
        else for (const done of outgoing.settle) done('offline');
        continue;
      }
      const kept = this.kept.get(deviceIdentifier) ?? new Map<string, Outgoing>();
      const known = kept.get(outgoing.id);
      if (!outgoing.keep || this.closed || (!known && kept.size >= keptLimit)) {
        for (const done of outgoing.settle) done('offline');
        continue;
      }
      kept.set(outgoing.id, { ...outgoing, sentAt: null, settle: [...(known?.settle ?? []), ...outgoing.settle] });
      this.kept.set(deviceIdentifier, kept);
    }
  }

  private tick(): void {
    for (const connection of this.connections.values()) connection.tick();
  }
}

interface Owner {
  receive(message: unknown): Promise<void>;
  /** What was not confirmed. Called once. */
  closed(left: readonly Outgoing[]): void;
}

/** One open connection of one device. */
class Connection {
  private readonly outgoing = new Map<string, Outgoing>();
  private unacked = 0;
  private unackedBytes = 0;
  /** Ids of messages that are being stored; `incoming` also counts those without a usable id. */
  private readonly storing = new Set<string>();
  private incoming = 0;
  /** What was read of messages beyond the window; no more is read then. */
  private held: Array<{ readonly message: unknown }> = [];
  private heardAt = performance.now();
  private pingedAt = performance.now();
  private pingId: string | null = null;
  private open = true;

  constructor(
    readonly deviceIdentifier: string,
    private readonly socket: WebSocket,
    private readonly timing: Timing,
    private readonly options: WebSocketDeviceLinkOptions,
    private readonly owner: Owner,
  ) {
    socket.on('message', (data, binary) => this.hear(data, binary));
    socket.on('ping', () => (this.heardAt = performance.now()));
    socket.on('pong', () => (this.heardAt = performance.now()));
    socket.on('error', () => undefined); // `close` follows; ws itself answers 1009 and 1007
    socket.on('close', () => this.end());
  }

  waiting(): number {
    return this.outgoing.size;
  }

  send(outgoing: Outgoing): void {
    const known = this.outgoing.get(outgoing.id);
    if (known) {
      if (known.sentAt !== null) this.unackedBytes += outgoing.frame.length - known.frame.length;
      known.frame = outgoing.frame;
      known.settle.push(...outgoing.settle);
      if (known.sentAt !== null) this.transmit(known);
      return;
    }
    this.outgoing.set(outgoing.id, outgoing);
    if (this.hasRoom(outgoing)) this.first(outgoing);
  }

  close(code: number): void {
    this.socket.close(code);
    this.end();
  }

  /** Closes, and cuts the connection where the device does not answer that. */
  async leave(code: number): Promise<void> {
    const gone = new Promise<void>((resolve) => this.socket.once('close', () => resolve()));
    this.close(code);
    const timer = setTimeout(() => this.socket.terminate(), farewellMillis);
    await gone;
    clearTimeout(timer);
  }

  tick(): void {
    const now = performance.now();
    // Whom we do not listen to is not silent.
    if (this.held.length > 0) this.heardAt = now;
    if (now - this.heardAt >= this.timing.silence) {
      this.close(closeCodes.silent);
      this.socket.terminate();
      return;
    }
    for (const outgoing of this.outgoing.values()) {
      if (outgoing.sentAt !== null && now - outgoing.sentAt >= this.timing.resend) this.transmit(outgoing);
    }
    if (now - this.pingedAt >= this.timing.ping) this.ping(now);
  }

  private ping(now: number): void {
    this.pingedAt = now;
    if (this.pingId !== null && this.outgoing.has(this.pingId)) return; // the unanswered one is sent again
    this.pingId = uuid7();
    const { deviceIdentifier } = this;
    const at = this.options.clock.now();
    const ping: Envelope = {
      v: 1,
      id: this.pingId,
      type: 'device.ping',
      deviceIdentifier,
      correlationId: null,
      at,
      body: {},
    };
    this.send({ id: ping.id, keep: false, frame: JSON.stringify(ping), sentAt: null, settle: [] });
  }

  private hasRoom({ frame }: Outgoing): boolean {
    return this.unacked < window && (this.unacked === 0 || this.unackedBytes + frame.length <= windowBytes);
  }

  private first(outgoing: Outgoing): void {
    this.unacked++;
    this.unackedBytes += outgoing.frame.length;
    this.transmit(outgoing);
  }

  private transmit(outgoing: Outgoing): void {
    outgoing.sentAt = performance.now();
    this.socket.send(outgoing.frame);
  }

  private hear(data: RawData, binary: boolean): void {
    if (!this.open) return;
    this.heardAt = performance.now();
    const message = binary ? undefined : parse(data);
    // An envelope may have any member that we do not know, one of this name too.
    const acked = isObject(message) && message['v'] === undefined ? message['ack'] : undefined;
    if (typeof acked === 'string') this.confirmed(acked);
    else this.holdOrTake(message);
  }

  private holdOrTake(message: unknown): void {
    if (this.incoming < window) return void this.take(message);
    this.held.push({ message });
    this.socket.pause();
  }

  private takeOn(): void {
    while (this.incoming < window && this.held.length > 0) void this.take(this.held.shift()!.message);
    if (this.held.length === 0) this.socket.resume();
  }

  private confirmed(id: string): void {
    const outgoing = this.outgoing.get(id);
    if (!outgoing || outgoing.sentAt === null) return;
    this.outgoing.delete(id);
    this.unacked--;
    this.unackedBytes -= outgoing.frame.length;
    for (const done of outgoing.settle) done('confirmed');
    for (const next of this.outgoing.values()) {
      if (next.sentAt !== null) continue;
      if (!this.hasRoom(next)) break;
      this.first(next);
    }
  }

  private async take(message: unknown): Promise<void> {
    const id =
      isObject(message) && typeof message['id'] === 'string' && message['id'].length <= 128 ? message['id'] : null;
    if (id !== null && this.storing.has(id)) return; // sent again while we still store it
    this.incoming++;
    if (id !== null) this.storing.add(id);
    try {
      await this.owner.receive(message);
      if (id !== null && this.open) this.socket.send(JSON.stringify({ ack: id }));
    } catch (error) {
      this.options.log.warn({ error: nameOf(error) }, 'message of a device could not be stored');
    } finally {
      this.incoming--;
      if (id !== null) this.storing.delete(id);
      this.takeOn();
    }
  }

  private end(): void {
    if (!this.open) return;
    this.open = false;
    this.held = [];
    this.owner.closed([...this.outgoing.values()]);
    this.outgoing.clear();
  }
}

function parse(data: RawData): unknown {
  try {
    return JSON.parse(String(data));
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Client id and secret of `Authorization: Basic …` (RFC 7617). */
function basicCredentials(header: string | undefined): readonly [string, string] | null {
  const encoded = /^Basic ([A-Za-z0-9+/]{1,2000}={0,2})$/i.exec(header ?? '')?.[1];
  if (encoded === undefined) return null;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0 ? null : [text.slice(0, colon), text.slice(colon + 1)];
}

function nameOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : 'unknown';
}
