import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { WebSocketServer } from 'ws';
import { Problem, problemType } from './problem';

/** Answers a request that asks to become a WebSocket as any other one, and ends its connection. */
export function refuseUpgrade(socket: Duplex, problem: Problem): void {
  const body = JSON.stringify(problem.body());
  const headers = {
    Connection: 'close',
    'Content-Type': problemType,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    ...problem.options.headers,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  socket.once('error', () => socket.destroy());
  socket.end([`HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`, ...lines, '', body].join('\r\n'));
}

/** Has a server of WebSockets refuse a handshake that is malformed as any other request. */
export function refuseMalformedHandshakes(server: WebSocketServer): void {
  server.on('wsClientError', (_error, socket) => {
    // Which version would be understood is part of the answer (RFC 6455, 4.4).
    refuseUpgrade(socket, new Problem(400, 'request_malformed', { headers: { 'sec-websocket-version': '13' } }));
  });
}
