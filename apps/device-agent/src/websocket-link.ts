import { WebSocket } from 'ws';
import { CarrierLink, parseMessage, type Reconnect } from './carrier-link';
import { type Envelope, longestEnvelope } from './envelope';
import { exits, Halt } from './halt';
import type { Receive } from './link';
import type { Log } from './log';

export interface WebSocketLinkOptions {
  readonly url: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly log: Log;
  readonly reconnect: Reconnect;
  /** Milliseconds after which a message without ack is sent again (contract: 30,000). */
  readonly resendAfter: number;
  /** Milliseconds without any frame after which the connection counts as dead; asked for a sign of life after half of it. */
  readonly silence: number;
}

interface Outgoing {
  readonly text: string;
  readonly passing: boolean;
  /** When it was sent on the present connection. */
  sentAt: number | null;
}

const subprotocol = 'symbolon.device.v1';
/** Messages without ack in one direction (contract, section 16.6). */
const window = 100;
/** Messages that wait for the window or a connection; beyond it senders wait. */
const room = 100;
/**
 * Received messages under way; beyond it acks are held back, and with them, by the server's window, what it sends next.
 * The socket is read all the same: on it come the acks that make room for the answers to what is under way.
 */
const intake = 200;
/** Who sends so many does not mind the window. */
const mostUnderWay = intake + 3 * window;
const overrun = 1008;
const refusalsBeforeHalt = 3;

/** The WebSocket carrier (contract, section 16.6). */
export class WebSocketLink extends CarrierLink {
  private readonly outgoing = new Map<string, Outgoing>();
  private readonly heldAcks = new Set<string>();
  private socket: WebSocket | null = null;
  private heartbeat: NodeJS.Timeout | undefined;
  private reconnection: NodeJS.Timeout | undefined;
  private underWay = 0;
  private heardAt = 0;

  constructor(private readonly options: WebSocketLinkOptions) {
    super(options.reconnect);
  }

  open(receive: Receive): void {
    this.receive = receive;
    const beat = Math.min(this.options.resendAfter, this.options.silence) / 4;
    this.heartbeat = setInterval(() => this.beat(), beat);
    this.connect();
  }

  async send(envelope: Envelope, { passing = false } = {}): Promise<void> {
    const text = JSON.stringify(envelope);
    if (Buffer.byteLength(text) > longestEnvelope) throw new RangeError('the envelope is too long for the channel');
    if (passing) {
      if (this.socket?.readyState === WebSocket.OPEN && this.unacked() < window) {
        this.outgoing.set(envelope.id, { text, passing, sentAt: Date.now() });
        this.socket.send(text);
      }
      return;
    }
    while (this.outgoing.size >= window + room && !this.closed)
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    if (this.closed || this.outgoing.has(envelope.id)) return;
    this.outgoing.set(envelope.id, { text, passing, sentAt: null });
    this.pump();
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    clearInterval(this.heartbeat);
    clearTimeout(this.reconnection);
    for (const wake of this.waiting.splice(0)) wake();
    const socket = this.socket;
    if (!socket || socket.readyState === WebSocket.CLOSED) return;
    await new Promise<void>((resolve) => {
      const giveUp = setTimeout(() => socket.terminate(), 2000);
      socket.once('close', () => {
        clearTimeout(giveUp);
        resolve();
      });
      if (socket.readyState === WebSocket.OPEN) socket.close(1000);
      else socket.terminate();
    });
  }

  private connect(): void {
    const { url, clientId, clientSecret } = this.options;
    const credentials = Buffer.from(`${clientId}:${clientSecret}`).toString('base64');
    const socket = new WebSocket(url, [subprotocol], {
      headers: { authorization: `Basic ${credentials}` },
      maxPayload: longestEnvelope,
      handshakeTimeout: 15_000,
      perMessageDeflate: false,
    });
    this.socket = socket;
    let retryAfter = 0;
    let reason = '';
    socket.on('open', () => this.connected());
    socket.on('message', (data: Buffer, binary) => this.take(socket, binary ? null : data.toString()));
    for (const sign of ['ping', 'pong'] as const) socket.on(sign, () => (this.heardAt = Date.now()));
    socket.on('unexpected-response', (request, response) => {
      reason = `the server answers ${response.statusCode}`;
      retryAfter = Number(response.headers['retry-after'] ?? 0) * 1000 || 0;
      if (response.statusCode === 401) this.refusals++;
      request.destroy();
      // With this listener it is ours to end the attempt.
      socket.terminate();
    });
    socket.on('error', (error) => (reason ||= error.message || 'the connection failed'));
    socket.on('close', (code) => this.disconnected(code, reason, retryAfter));
  }

  private connected(): void {
    this.heardAt = Date.now();
    this.refusals = 0;
    for (const [id, message] of this.outgoing) {
      if (message.passing) this.outgoing.delete(id);
      else message.sentAt = null;
    }
    this.becomeReady();
    this.options.log('connected');
    this.pump();
  }

  private disconnected(code: number, reason: string, retryAfter: number): void {
    this.socket = null;
    if (this.closed) return;
    if (code === 4401 || this.refusals >= refusalsBeforeHalt) return this.haltRefused('server');
    if (code === 4409) {
      return this.halt(
        new Halt(
          exits.replaced,
          'A newer connection of this device took over: another agent runs with the same credentials.',
        ),
      );
    }
    const wait = Math.max(retryAfter, this.backoff.next());
    this.options.log('disconnected', { code, ...(reason && { reason }), again: `${(wait / 1000).toFixed(1)} s` });
    this.reconnection = setTimeout(() => this.connect(), wait);
  }

  private take(socket: WebSocket, text: string | null): void {
    this.heardAt = Date.now();
    this.backoff.reset();
    const message = text === null ? undefined : parseMessage(text);
    if (isAck(message)) {
      if (this.outgoing.delete(message.ack)) this.pump();
      return;
    }
    if (this.underWay >= mostUnderWay) return socket.close(overrun);
    this.underWay++;
    void this.receive(message, (id) => this.confirm(id)).then(() => {
      this.underWay--;
      this.releaseAcks();
    });
  }

  private confirm(id: string): void {
    this.heldAcks.add(id);
    this.releaseAcks();
  }

  private releaseAcks(): void {
    if (this.underWay > intake) return;
    for (const id of this.heldAcks) {
      // The server knows acks by id alone: one that a new connection overtook still counts there.
      if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ ack: id }));
    }
    this.heldAcks.clear();
  }

  /** Sends what the window allows, oldest first. */
  private pump(): void {
    const socket = this.socket;
    if (socket?.readyState === WebSocket.OPEN) {
      let free = window - this.unacked();
      for (const message of this.outgoing.values()) {
        if (free <= 0) break;
        if (message.sentAt !== null) continue;
        message.sentAt = Date.now();
        socket.send(message.text);
        free--;
      }
    }
    while (this.outgoing.size < window + room && this.waiting.length > 0) this.waiting.shift()?.();
  }

  private unacked(): number {
    let count = 0;
    for (const { sentAt } of this.outgoing.values()) if (sentAt !== null) count++;
    return count;
  }

  private beat(): void {
    const socket = this.socket;
    if (socket?.readyState !== WebSocket.OPEN) return;
    const now = Date.now();
    const silent = now - this.heardAt;
    if (silent > this.options.silence) return socket.terminate();
    if (silent > this.options.silence / 2) socket.ping();
    for (const [id, message] of this.outgoing) {
      if (message.sentAt === null || now - message.sentAt < this.options.resendAfter) continue;
      if (message.passing) {
        this.outgoing.delete(id);
        continue;
      }
      message.sentAt = now;
      socket.send(message.text);
    }
    this.pump();
  }
}

function isAck(message: unknown): message is { ack: string } {
  if (typeof message !== 'object' || message === null || 'v' in message) return false;
  return 'ack' in message && typeof message.ack === 'string';
}
