import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';

const hopByHop = new Set(['upgrade', 'http2-settings']);

/** Whether a WebSocket is asked for, which GET alone can; HTTP clients also offer to go on with HTTP/2. */
export function wantsWebSocket({ method, headers }: IncomingMessage): boolean {
  return method === 'GET' && /\bwebsocket\b/i.test(headers.upgrade ?? '');
}

/**
 * Answers a request as if it had offered no upgrade (RFC 9110, 7.8). Node hands its connection over and reads no further:
 * it is given back with the request at its front, without the offer.
 */
export function declineUpgrade(server: Server, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const { method, url, httpVersion, rawHeaders } = request;
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!;
    const value = rawHeaders[index + 1]!;
    if (hopByHop.has(name.toLowerCase())) continue;
    lines.push(`${name}: ${name.toLowerCase() === 'connection' ? withoutOffer(value) : value}`);
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]));
  server.emit('connection', socket);
}

function withoutOffer(connection: string): string {
  return connection
    .split(',')
    .filter((option) => !hopByHop.has(option.trim().toLowerCase()))
    .join();
}
