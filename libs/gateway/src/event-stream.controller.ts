import { Controller, Query, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiProduces } from '@nestjs/swagger';
import { BoolField, Endpoint, Problem, tokenOf, unauthorized } from '@symbolon/http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { TooManyChannels } from './channel-hub';
import { EventStreams } from './event-streams';

export class EventStreamQuery {
  @BoolField(false)
  progress!: boolean;
}

@Controller()
export class EventStreamController {
  constructor(private readonly streams: EventStreams) {}

  @ApiHeader({ name: 'Last-Event-ID', required: false, description: 'Only what followed this message' })
  @ApiProduces('text/event-stream')
  @Endpoint({
    name: 'Event stream',
    group: 'Utility',
    verb: 'GET',
    path: '/events',
    access: 'T',
    scope: 'any',
    device: true,
  })
  events(@Query() { progress }: EventStreamQuery, @Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const { session, headers } = request;
    const token = tokenOf(request);
    if (!session || token === null) throw unauthorized();
    const last = headers['last-event-id'];
    const lastEventId = typeof last === 'string' && last !== '' ? last : null;
    try {
      this.streams.open({ session, token, progress, lastEventId }, () => {
        reply.hijack();
        return reply.raw.writeHead(200, {
          ...(reply.getHeaders() as Record<string, string>),
          'content-type': 'text/event-stream; charset=utf-8',
          'x-accel-buffering': 'no',
        });
      });
    } catch (error) {
      if (!(error instanceof TooManyChannels)) throw error;
      throw new Problem(429, 'rate_limited', { headers: { 'retry-after': '5' } });
    }
  }
}
