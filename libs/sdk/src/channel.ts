import { backoff } from './api';

/** The part of the WHATWG WebSocket that is used here; the class of the npm package `ws` fits as well. */
export interface WebSocketLike {
  onopen: ((event: never) => unknown) | null;
  onmessage: ((event: never) => unknown) | null;
  onclose: ((event: never) => unknown) | null;
  onerror: ((event: never) => unknown) | null;
  send(data: string): void;
  close(code?: number): void;
}
export type WebSocketClass = new (url: string) => WebSocketLike;

/** What the server says on the channel (contract, section 5). */
export interface ChannelMessage {
  readonly type: string;
  readonly id: string;
  readonly body: unknown;
  readonly command_status?: 1 | 2 | 3;
  readonly data_context?: string;
  readonly output_type?: 0 | 1;
}

/** Milliseconds that a first join may take; it goes on behind. */
const JOIN_MS = 5000;
/** Final messages kept for commands whose HTTP answer has not been read yet, or that a late join brings again. */
const REMEMBERED = 1000;

/**
 * One WebSocket, joined to the profile's channel, which comes back by itself when it breaks. It makes no promise that
 * a message arrives: who waits for one also asks for the command's status (see `Session`).
 */
export class Channel {
  private readonly finals = new Map<string, ChannelMessage>();
  private readonly waiting = new Map<string, Set<(message: ChannelMessage) => void>>();
  private readonly listeners = new Set<(message: ChannelMessage) => void>();
  private readonly stateWatchers = new Set<() => void>();
  private socket: WebSocketLike | null = null;
  private reconnect: ReturnType<typeof setTimeout> | null = null;
  private failures = 0;
  private closed = false;
  private isJoined = false;

  constructor(
    private readonly url: string,
    private readonly token: string,
    private readonly webSocket: WebSocketClass,
  ) {}

  get joined(): boolean {
    return this.isJoined;
  }

  /** Connects and joins. Resolves with the first outcome: whether the channel is joined. */
  async open(): Promise<boolean> {
    const patience = new AbortController();
    const first = this.stateChange(patience.signal);
    const timer = setTimeout(() => patience.abort(), JOIN_MS);
    this.connect();
    await first;
    clearTimeout(timer);
    return this.isJoined;
  }

  /** Resolves with the final message of a command, at once if it was seen already. `signal` ends the waiting. */
  final(commandId: string, signal: AbortSignal): Promise<ChannelMessage> {
    const seen = this.finals.get(commandId);
    if (seen) return Promise.resolve(seen);
    return new Promise((resolve) => {
      const all = this.waiting.get(commandId) ?? new Set();
      this.waiting.set(commandId, all.add(resolve));
      signal.addEventListener(
        'abort',
        () => {
          all.delete(resolve);
          if (all.size === 0) this.waiting.delete(commandId);
        },
        { once: true },
      );
    });
  }

  /** Resolves when the channel is next joined, lost or closed, or fails to connect. */
  stateChange(signal?: AbortSignal): Promise<void> {
    if (this.closed) return Promise.resolve();
    return new Promise((resolve) => {
      const watch = (): void => {
        this.stateWatchers.delete(watch);
        resolve();
      };
      this.stateWatchers.add(watch);
      signal?.addEventListener('abort', watch, { once: true });
    });
  }

  /** Hears every message, also those that a late join repeats (`type` and `id` identify them). Returns the way out. */
  listen(listener: (message: ChannelMessage) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  close(): void {
    this.closed = true;
    if (this.reconnect) clearTimeout(this.reconnect);
    this.socket?.close(1000);
    this.lose();
  }

  private connect(): void {
    let socket: WebSocketLike;
    try {
      socket = new this.webSocket(this.url);
    } catch {
      this.comeBack();
      return;
    }
    this.socket = socket;
    socket.onopen = () =>
      socket.send(
        JSON.stringify({ action: 'joinChannel', data: { authorizationToken: this.token, correlationId: 'join' } }),
      );
    socket.onmessage = (event: { data: unknown }) => this.hear(event.data);
    socket.onerror = () => undefined;
    socket.onclose = () => {
      if (this.socket === socket) this.comeBack();
    };
  }

  private comeBack(): void {
    this.socket = null;
    if (!this.closed) this.reconnect = setTimeout(() => this.connect(), backoff(this.failures++));
    this.lose();
  }

  private lose(): void {
    this.isJoined = false;
    this.changed();
  }

  private changed(): void {
    for (const watch of [...this.stateWatchers]) watch();
  }

  private hear(data: unknown): void {
    let frame: { correlationId?: unknown; status?: unknown; data?: ChannelMessage };
    try {
      frame = JSON.parse(String(data)) as typeof frame;
    } catch {
      return;
    }
    if (frame.status !== undefined) this.hearAnswer(frame.status, frame.correlationId);
    else if (frame.data && typeof frame.data.type === 'string') this.hearMessage(frame.data);
  }

  private hearAnswer(status: unknown, correlationId: unknown): void {
    if (status === 200 && correlationId === 'join') {
      this.failures = 0;
      this.isJoined = true;
      this.changed();
    } else if (status === 401) {
      // The token is not, or no longer, good: coming back would not help. Commands go on over HTTP and say why.
      this.close();
    } else if (correlationId === 'join') {
      this.socket?.close(1000);
    }
  }

  private hearMessage(message: ChannelMessage): void {
    if (message.type === 'X-DPT-CAB-ID' && message.command_status !== 1) {
      this.finals.set(message.id, message);
      if (this.finals.size > REMEMBERED) this.finals.delete(this.finals.keys().next().value!);
      for (const resolve of this.waiting.get(message.id) ?? []) resolve(message);
      this.waiting.delete(message.id);
    }
    for (const listener of this.listeners) listener(message);
  }
}
