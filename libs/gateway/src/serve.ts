import type { AddressInfo } from 'node:net';
import { type DynamicModule, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { edgeAdapter, installEdge } from '@symbolon/http';
import { Logger } from '@symbolon/observe';
import { PlatformModule, type PlatformOptions, Registry, type UpgradeHandler } from '@symbolon/platform';
import { TransferModule } from '@symbolon/transfer';
import { ApiDocument } from './api-pages.controller';
import { Connections } from './connections';
import { GatewayModule } from './gateway.module';
import { describeApi } from './openapi';
import { Readiness } from './readiness';

export interface ServeOptions extends PlatformOptions {
  /** The contexts of this process. */
  readonly modules: ReadonlyArray<Type | DynamicModule>;
}

export interface Served {
  readonly app: NestFastifyApplication;
  readonly port: number;
  /** Stops taking requests, ends what runs, closes the database. */
  close(): Promise<void>;
}

@Module({})
class Root {}

/** Starts a process of Symbolon: platform, gateway and the given contexts behind one listener. */
export async function serve(options: ServeOptions): Promise<Served> {
  const { settings, modules } = options;
  const platform = await PlatformModule.forRoot(options);
  const root: DynamicModule = { module: Root, imports: [platform, GatewayModule, TransferModule, ...modules] };
  const app = await NestFactory.create<NestFastifyApplication>(root, edgeAdapter(), {
    bodyParser: false,
    logger: false,
    abortOnError: false,
  });
  const log = app.get(Logger);
  installEdge(
    app,
    { ratePerToken: settings.rates.token, ratePerAddress: settings.rates.address, corsOrigins: settings.corsOrigins },
    log,
  );
  await app.init();
  app.get(ApiDocument).document = describeApi(app, settings.publicUrl);

  const server = app.getHttpServer();
  const readiness = app.get(Readiness);
  const connections = new Connections(server);
  server.on('upgrade', upgradesOf(app.get(Registry), readiness));
  try {
    await app.listen(settings.listen.port, settings.listen.host);
  } catch (error) {
    await app.close();
    throw error;
  }
  readiness.ready = true;
  return {
    app,
    port: (server.address() as AddressInfo).port,
    close: async () => {
      readiness.ready = false;
      connections.close();
      await app.close();
    },
  };
}

/** Leads upgrade requests to whoever serves WebSockets on their path. */
function upgradesOf(registry: Registry, readiness: Readiness): UpgradeHandler {
  return (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    const path = (request.url ?? '/').split('?', 1)[0]!.replace(/(.)\/$/, '$1');
    const handler = registry.contents().upgrades.get(path);
    if (handler && readiness.ready) return handler(request, socket, head);
    const status = handler ? '503 Service Unavailable' : '404 Not Found';
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  };
}
