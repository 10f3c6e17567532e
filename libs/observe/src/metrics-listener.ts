import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Metrics } from './metrics';

export interface MetricsListener {
  readonly port: number;
  close(): Promise<void>;
}

/** Serves `GET /metrics` on a listener of its own, away from the public origin. Port 0 takes any free one. */
export async function listenMetrics(metrics: Metrics, at: { host: string; port: number }): Promise<MetricsListener> {
  const server = createServer((request, response) => {
    request.resume();
    const known = request.url?.split('?', 1)[0] === '/metrics';
    if (!known || request.method !== 'GET') {
      response.writeHead(known ? 405 : 404, known ? { allow: 'GET' } : {}).end();
      return;
    }
    metrics.text().then(
      ({ contentType, body }) => response.writeHead(200, { 'content-type': contentType }).end(body),
      () => response.writeHead(500).end(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(at.port, at.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
