import { type BeforeApplicationShutdown, Controller, Module, Query, Req, Res } from '@nestjs/common';
import { ApiQuery } from '@nestjs/swagger';
import { type Caller, CallerOf, Endpoint } from '@symbolon/http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Transfers } from './transfers';

const auth = ApiQuery({ name: 'auth', schema: { type: 'string' }, description: 'The auth, or the whole one-time URL' });

const upload = {
  row: 26,
  name: 'Upstream file via stream auth',
  group: 'Data Token',
  path: '/upstream',
  aliases: ['/'],
  access: 'none',
  raw: true,
} as const;

/** One-time URLs: rows 26 and 28, and the devices' payloads (16.5). */
@Controller()
export class TransferController {
  constructor(private readonly transfers: Transfers) {}

  @auth
  @Endpoint({ ...upload, verb: 'POST', command: true })
  post(
    @Query('auth') auth: unknown,
    @Req() request: FastifyRequest,
    @CallerOf() caller: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<unknown> {
    return this.receive(auth, request, caller, reply);
  }

  @auth
  @Endpoint({ ...upload, verb: 'PUT', command: true })
  put(
    @Query('auth') auth: unknown,
    @Req() request: FastifyRequest,
    @CallerOf() caller: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<unknown> {
    return this.receive(auth, request, caller, reply);
  }

  @auth
  @Endpoint({
    row: 28,
    name: 'Download data',
    group: 'Data Token',
    verb: 'GET',
    path: '/downstream',
    aliases: ['/'],
    access: 'none',
  })
  async download(@Query('auth') auth: unknown, @Res() reply: FastifyReply): Promise<void> {
    await this.transfers.download(auth, (length) => {
      reply.hijack();
      return reply.raw.writeHead(200, {
        ...(reply.getHeaders() as Record<string, string>),
        'content-type': 'application/octet-stream',
        'content-length': length,
      });
    });
  }

  private async receive(auth: unknown, request: FastifyRequest, caller: Caller, reply: FastifyReply): Promise<unknown> {
    const answer = await this.transfers.upload(auth, request.raw, caller);
    if (answer === undefined) void reply.code(204);
    return answer;
  }
}

/** Needs `Transfers` from the platform. */
@Module({ controllers: [TransferController] })
export class TransferModule implements BeforeApplicationShutdown {
  constructor(private readonly transfers: Transfers) {}

  beforeApplicationShutdown(): Promise<void> {
    return this.transfers.stop();
  }
}
