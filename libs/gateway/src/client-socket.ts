import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { uuid7 } from '@symbolon/crypto';
import { refuseMalformedHandshakes, type Session, Sessions } from '@symbolon/http';
import { Clock, millisOf } from '@symbolon/kernel';
import { type RawData, WebSocket, WebSocketServer } from 'ws';
import { type Channel, ChannelHub, type Message, TooManyChannels } from './channel-hub';

const maxFrame = 16 * 1024;
const pingEvery = 30_000;
const joinWithin = 60_000;
const maxBuffered = 16 * 1024 * 1024;
/** Milliseconds that a client has to answer the closing frame. */
const patience = 1000;
const closeNotJoined = 4408;

interface Connection {
  readonly socket: WebSocket;
  readonly connectedAt: number;
  /** Whether it ever joined a channel. */
  joined: boolean;
  pingedAt: number;
  unanswered: number;
  channel: (Channel & { readonly session: Session; readonly token: string }) | null;
}

/** The client WebSocket (contract, section 5). Carries no credentials of its own: joining a channel takes a token. */
@Injectable()
export class ClientSocket {
  private readonly server = new WebSocketServer({ noServer: true, maxPayload: maxFrame, clientTracking: false });
  private readonly connections = new Set<Connection>();
  private readonly ending = new WeakSet<Channel>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly hub: ChannelHub,
    private readonly sessions: Sessions,
    private readonly clock: Clock,
  ) {}

  start(): void {
    refuseMalformedHandshakes(this.server);
    this.timer = setInterval(() => void this.watch(), 1000);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    this.server.close();
    const closed = [...this.connections].map(({ socket }) => {
      const end = once(socket, 'close');
      socket.close(1001, 'server is stopping');
      setTimeout(() => socket.terminate(), patience).unref();
      return end;
    });
    await Promise.all(closed);
  }

  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.server.handleUpgrade(request, socket, head, (opened) => this.open(opened));
  }

  private open(socket: WebSocket): void {
    const now = this.clock.millis();
    const connection: Connection = {
      socket,
      connectedAt: now,
      joined: false,
      pingedAt: now,
      unanswered: 0,
      channel: null,
    };
    this.connections.add(connection);
    let turn = Promise.resolve();
    socket.on('message', (data, isBinary) => {
      turn = turn.then(() => this.receive(connection, data, isBinary)).catch(() => socket.terminate());
    });
    socket.on('pong', () => (connection.unanswered = 0));
    socket.on('error', () => socket.terminate());
    socket.on('close', () => {
      this.connections.delete(connection);
      if (connection.channel) this.hub.leave(connection.channel);
    });
  }

  private keepAlive(connection: Connection, now: number): void {
    if (now - connection.pingedAt < pingEvery) return;
    if (connection.unanswered >= 2) return connection.socket.terminate();
    connection.pingedAt = now;
    connection.unanswered++;
    connection.socket.ping();
  }

  private async receive(connection: Connection, raw: RawData, isBinary: boolean): Promise<void> {
    const frame = isBinary ? null : parseFrame(raw);
    if (!frame) return answer(connection, null, 400, 'The frame is malformed.');
    const { action, data, correlationId } = frame;
    switch (action) {
      case 'joinChannel':
        return this.join(connection, data, correlationId);
      case 'leaveChannel':
        return this.leave(connection, data, correlationId);
      default:
        return answer(connection, correlationId, 400, 'The action is unknown.');
    }
  }

  private async join(
    connection: Connection,
    data: Record<string, unknown>,
    correlationId: Frame['correlationId'],
  ): Promise<void> {
    const token = data['authorizationToken'];
    const session = typeof token === 'string' ? await this.sessions.find(token) : null;
    if (!session || typeof token !== 'string') return answer(connection, correlationId, 401, 'The token is not valid.');
    const { socket } = connection;
    if (socket.readyState !== WebSocket.OPEN) return;
    const channel = {
      channelId: uuid7(),
      profileId: session.profileId,
      applicationId: session.applicationId ?? null,
      progress: data['progress'] === true,
      session,
      token,
      send: ({ text }: Message) => {
        // A client that does not read must not fill our memory.
        if (socket.bufferedAmount > maxBuffered) socket.terminate();
        else if (socket.readyState === WebSocket.OPEN) socket.send(text);
      },
    };
    const previous = connection.channel;
    if (previous) this.hub.leave(previous);
    try {
      this.hub.join(channel);
    } catch (error) {
      if (!(error instanceof TooManyChannels)) throw error;
      if (previous) this.hub.join(previous);
      return answer(connection, correlationId, 429, 'Too many channels of this profile.');
    }
    connection.channel = channel;
    connection.joined = true;
    answer(connection, correlationId, 200, 'Successfully joined profile channel.', channel.channelId);
    this.hub.replay(channel);
  }

  private async leave(
    connection: Connection,
    data: Record<string, unknown>,
    correlationId: Frame['correlationId'],
  ): Promise<void> {
    const { channel } = connection;
    const token = data['authorizationToken'];
    if (token !== undefined) {
      const session = typeof token === 'string' ? await this.sessions.find(token) : null;
      if (!session) return answer(connection, correlationId, 401, 'The token is not valid.');
      if (channel && session.profileId !== channel.profileId) {
        return answer(connection, correlationId, 404, 'The connection has no such channel.');
      }
    } else if (typeof data['channelId'] !== 'string') {
      return answer(connection, correlationId, 400, 'authorizationToken or channelId is required.');
    } else if (channel && data['channelId'] !== channel.channelId) {
      return answer(connection, correlationId, 404, 'The connection has no such channel.');
    }
    if (!channel) return answer(connection, correlationId, 404, 'The connection has no channel.');
    this.hub.leave(channel);
    connection.channel = null;
    answer(connection, correlationId, 200, 'Successfully left profile channel.', channel.channelId);
  }

  /** Pings, and ends channels whose token ended and connections that never joined one. */
  private async watch(): Promise<void> {
    const now = this.clock.millis();
    await Promise.all(
      [...this.connections].map(async (connection) => {
        const { channel, socket, connectedAt, joined } = connection;
        this.keepAlive(connection, now);
        if (!joined && now - connectedAt > joinWithin) socket.close(closeNotJoined, 'no channel was joined');
        if (!channel) return;
        const ended = await this.revoked(channel.token).catch(() => millisOf(channel.session.expiresAt) <= now);
        if (ended) this.end(connection, channel);
      }),
    );
  }

  private async revoked(token: string): Promise<boolean> {
    return (await this.sessions.find(token)) === null;
  }

  /** What there still is to say comes first. */
  private end(connection: Connection, channel: Channel): void {
    if (this.ending.has(channel)) return;
    this.ending.add(channel);
    const drop = () => {
      if (connection.channel === channel) this.drop(connection, channel);
    };
    this.hub.toldEverything(channel.profileId).then(drop, drop);
  }

  private drop(connection: Connection, channel: Channel): void {
    this.hub.leave(channel);
    connection.channel = null;
    answer(connection, null, 401, 'Channel closed: authorization ended.', channel.channelId);
  }
}

interface Frame {
  readonly action: unknown;
  readonly data: Record<string, unknown>;
  readonly correlationId: string | number | null;
}

function parseFrame(raw: RawData): Frame | null {
  let frame: unknown;
  try {
    frame = JSON.parse(raw.toString());
  } catch {
    return null;
  }
  if (frame === null || typeof frame !== 'object') return null;
  const { action, data } = frame as { action?: unknown; data?: unknown };
  if (data === null || typeof data !== 'object' || Array.isArray(data)) return null;
  const { correlationId } = data as { correlationId?: unknown };
  return {
    action,
    data: data as Record<string, unknown>,
    correlationId: typeof correlationId === 'string' || typeof correlationId === 'number' ? correlationId : null,
  };
}

function answer(
  { socket }: Connection,
  correlationId: Frame['correlationId'],
  status: number,
  message: string,
  channelId?: string,
): void {
  if (socket.readyState !== WebSocket.OPEN) return;
  socket.send(JSON.stringify({ correlationId, status, data: { ...(channelId ? { channelId } : {}), message } }));
}
