import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * The connections of a server on which no request is under way. Node counts one that was only opened, or has sent half
 * a request, as busy for a minute: whoever holds one open would hold up the end of the process for as long.
 */
export class Connections {
  /** Requests under way on each. */
  private readonly requests = new Map<Socket, number>();
  private readonly seen = new WeakSet<Socket>();
  private closing = false;

  constructor(server: Server) {
    server.on('connection', (socket) => {
      // One comes again for each upgrade that was declined on it.
      if (!this.seen.has(socket)) socket.once('close', () => this.requests.delete(socket));
      this.seen.add(socket);
      this.set(socket, 0);
    });
    // From here on it is the WebSocket's.
    server.on('upgrade', (_request: IncomingMessage, socket: Socket) => this.requests.delete(socket));
    server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
      this.set(socket, (this.requests.get(socket) ?? 0) + 1);
      response.once('close', () => this.set(socket, (this.requests.get(socket) ?? 1) - 1));
    });
  }

  /** Ends them, and from here on every other one once its request was answered. */
  close(): void {
    this.closing = true;
    for (const [socket, underWay] of this.requests) if (underWay === 0) socket.destroy();
  }

  private set(socket: Socket, underWay: number): void {
    if (socket.destroyed) return;
    this.requests.set(socket, underWay);
    if (this.closing && underWay === 0) socket.destroySoon();
  }
}
