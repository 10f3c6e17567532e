import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Calls } from '@symbolon/http';
import { isServiceName } from '@symbolon/settings';
import { Transfers } from '@symbolon/transfer';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Neighbours } from './neighbours';
import { gatewayName, serviceRoutes, transferName } from './service-routes';

/** Whose every call is: with neighbours the contexts are processes of their own, without they are here. */
export class CallRoutes implements Calls {
  private routes: ReadonlyMap<string, string> = new Map();

  constructor(private readonly neighbours: Neighbours | null) {}

  /** Once the application knows its controllers. */
  learn(app: NestFastifyApplication): void {
    this.routes = serviceRoutes(app);
    this.transfers = app.get(Transfers);
  }

  private transfers: Transfers | null = null;

  serviceOf({ method, routeOptions, query }: FastifyRequest): string | Promise<string | null> {
    const service = this.routes.get(`${method} ${routeOptions.url}`) ?? gatewayName;
    if (service !== transferName || !this.neighbours) return service;
    const { auth } = query as { auth?: unknown };
    return this.transfers!.serviceOf(method === 'GET' ? 'down' : 'up', auth);
  }

  forward(request: FastifyRequest, reply: FastifyReply, service: string, assertion: string): boolean {
    if (!this.neighbours || !isServiceName(service)) return false;
    this.neighbours.forward(request, reply, service, assertion);
    return true;
  }
}
