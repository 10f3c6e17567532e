import type { AddressInfo } from 'node:net';
import { type DynamicModule, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Commands } from '@symbolon/command-log';
import { Assertions, KeyStore } from '@symbolon/crypto';
import {
  assertedFor,
  claimsOf,
  edgeAdapter,
  endpointsOf,
  installEdge,
  installService,
  notFound,
  refuseUpgrade,
  unauthorized,
  unavailable,
  type UpgradeEdge,
} from '@symbolon/http';
import { Clock, EventStore } from '@symbolon/kernel';
import { Logger } from '@symbolon/observe';
import { PlatformModule, type PlatformOptions, Registry, type UpgradeHandler } from '@symbolon/platform';
import { ProjectionRunner } from '@symbolon/projection';
import { type ServiceName } from '@symbolon/settings';
import { TransferModule } from '@symbolon/transfer';
import { ApiDocument } from './api-pages.controller';
import { CallRoutes } from './call-routes';
import { Connections } from './connections';
import { declineUpgrade, wantsWebSocket } from './decline-upgrade';
import { Dependencies } from './dependencies.query';
import { HealthController } from './health.controller';
import { GatewayModule } from './gateway.module';
import { Neighbours } from './neighbours';
import { describeApi } from './openapi';
import { Questions } from './questions';
import { Readiness } from './readiness';
import { ServiceModule } from './service.module';

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

/** Which service serves WebSockets on a path that is not the gateway's own. */
const carriers: ReadonlyMap<string, ServiceName> = new Map([['/device-channel', 'device-router']]);

/**
 * Starts a process of Symbolon behind one listener: all of it, the gateway before separate services, or one of these
 * (`part`). A service listens once its rows are up to date.
 */
export async function serve(options: ServeOptions): Promise<Served> {
  const { part = 'whole' } = options;
  return part === 'whole' || part === 'gateway' ? serveClients(options, part) : serveGateway(options, part);
}

/** The public edge, before contexts in this process or behind it. */
async function serveClients(options: ServeOptions, part: 'whole' | 'gateway'): Promise<Served> {
  const { settings } = options;
  const { app, log, assertions } = await create(options, GatewayModule);
  const neighbours = part === 'gateway' ? new Neighbours(settings.services, app.get(Commands).answers, log) : null;
  const calls = new CallRoutes(neighbours);
  const { corsOrigins, trustedProxies, rates } = settings;
  const edge = installEdge(
    app,
    { ratePerToken: rates.token, ratePerAddress: rates.address, corsOrigins, trustedProxies },
    { assertions, calls },
    log,
  );
  app.get(Dependencies).neighbours = neighbours;
  calls.learn(app);
  await app.init();
  app.get(ApiDocument).document = describeApi(app, settings.publicUrl);
  const local = app.get(Registry).contents().upgrades;
  return listen(app, settings.listen, {
    upgrade: (path) => {
      const carrier = neighbours ? carriers.get(path) : undefined;
      if (!neighbours || !carrier) return local.get(path);
      return (request, socket, head) => {
        const call = { audience: carrier, method: 'GET', url: request.url ?? path };
        const address = edge.addressOf(request);
        const asserted = { session: null, application: null, accessToken: null, address, requestId: '' };
        neighbours.upgrade(request, socket, head, carrier, assertions.make(call, claimsOf(asserted)));
      };
    },
    limit: edge.limit,
    closing: () => neighbours?.close(),
  });
}

/** A context behind the gateway. */
async function serveGateway(options: ServeOptions, name: ServiceName): Promise<Served> {
  const { settings } = options;
  const { app, log, assertions } = await create(options, ServiceModule);
  const questions = new Questions(settings.services, assertions);
  const registry = app.get(Registry);
  if (name !== 'device-router') {
    registry.presence(questions.seen);
    if (settings.rabbitmq) registry.carriers(questions.carriers);
  }
  const probes = endpointsOf(HealthController).flatMap(({ path, aliases = [] }) => [path, ...aliases]);
  installService(app, { name, assertions, open: new Set(probes) }, log);
  await app.init();
  await app.get(ProjectionRunner).passedHere(await app.get(EventStore).tail());
  const local = registry.contents().upgrades;
  return listen(app, settings.serviceListen ?? settings.services[name], {
    upgrade: (path) => {
      const handler = local.get(path);
      if (!handler) return undefined;
      return (request, socket, head) => {
        if (assertedFor(name, assertions, request)) return handler(request, socket, head);
        refuseUpgrade(socket, unauthorized());
      };
    },
    closing: () => questions.close(),
  });
}

async function create(options: ServeOptions, frame: Type) {
  const platform = await PlatformModule.forRoot(options);
  const root: DynamicModule = { module: Root, imports: [platform, frame, TransferModule, ...options.modules] };
  const app = await NestFactory.create<NestFastifyApplication>(root, edgeAdapter(), {
    bodyParser: false,
    logger: false,
    abortOnError: false,
  });
  const assertions = new Assertions(app.get(KeyStore), options.settings.publicUrl, app.get(Clock));
  return { app, log: app.get(Logger), assertions };
}

async function listen(
  app: NestFastifyApplication,
  { host, port }: { readonly host: string; readonly port: number },
  upgrades: Upgrades & { closing?(): void },
): Promise<Served> {
  const server = app.getHttpServer();
  const readiness = app.get(Readiness);
  const connections = new Connections(server);
  const webSockets = upgradesOf(upgrades, readiness);
  server.on('upgrade', (request, socket, head) => {
    if (wantsWebSocket(request)) webSockets(request, socket, head);
    else declineUpgrade(server, request, socket, head);
  });
  try {
    await app.listen(port, host);
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
      upgrades.closing?.();
      await app.close();
    },
  };
}

interface Upgrades extends Partial<Pick<UpgradeEdge, 'limit'>> {
  /** Who serves WebSockets on this path. */
  upgrade(path: string): UpgradeHandler | undefined;
}

/** Leads upgrade requests to whoever serves WebSockets on their path, in the order of checks of all requests. */
function upgradesOf({ upgrade, limit }: Upgrades, readiness: Readiness): UpgradeHandler {
  return (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    const path = (request.url ?? '/').split('?', 1)[0]!.replace(/(.)\/$/, '$1');
    const handler = upgrade(path);
    if (!handler) return refuseUpgrade(socket, notFound());
    const refusal = limit?.(request) ?? (readiness.ready ? null : unavailable());
    if (refusal) refuseUpgrade(socket, refusal);
    else handler(request, socket, head);
  };
}
