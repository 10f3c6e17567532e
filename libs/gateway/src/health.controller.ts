import { Controller, Res } from '@nestjs/common';
import { Endpoint } from '@symbolon/http';
import type { FastifyReply } from 'fastify';
import { Dependencies } from './dependencies.query';
import { Readiness } from './readiness';

@Controller()
export class HealthController {
  constructor(
    private readonly dependencies: Dependencies,
    private readonly readiness: Readiness,
  ) {}

  @Endpoint({
    row: 1,
    name: 'Check server health',
    group: 'Utility',
    verb: 'GET',
    path: '/health',
    aliases: ['/utility/check-server-health'],
    access: 'none',
  })
  async health(@Res({ passthrough: true }) reply: FastifyReply): Promise<object> {
    return this.report(reply, await this.dependencies.all());
  }

  @Endpoint({ name: 'Liveness', group: 'Utility', verb: 'GET', path: '/health/live', access: 'none' })
  live(): object {
    return { status: 'ok' };
  }

  @Endpoint({ name: 'Readiness', group: 'Utility', verb: 'GET', path: '/health/ready', access: 'none' })
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<object> {
    return this.report(reply, { ...(await this.dependencies.up()), server: this.readiness.ready });
  }

  private report(reply: FastifyReply, up: Readonly<Record<string, boolean>>): object {
    if (Object.values(up).every(Boolean)) return { status: 'ok' };
    void reply.code(503).header('retry-after', '2');
    return {
      status: 'degraded',
      checks: Object.fromEntries(Object.entries(up).map(([name, ok]) => [name, ok ? 'up' : 'down'])),
    };
  }
}
