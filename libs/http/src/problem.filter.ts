import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common';
import { KeyReused } from '@symbolon/command-log';
import { Busy } from '@symbolon/crypto';
import { isOutage, Unavailable } from '@symbolon/kernel';
import type { FastifyReply } from 'fastify';
import type { RouteAccess } from './endpoint';
import { notFound, Problem, problemType, unauthorized, unavailable } from './problem';

export interface EdgeLog {
  error(fields: object, message: string): void;
}

/** Every error as a problem document; what is unexpected shows nothing of itself. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly log: EdgeLog) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    sendProblem(reply, this.problemOf(error, reply));
  }

  private problemOf(error: unknown, reply: FastifyReply): Problem {
    if (error instanceof Unavailable || isOutage(error)) return unavailable();
    // Nobody with a token that has ended learns what else is wrong with the call.
    if (reply.request.accessToken?.state === 'ended') return unauthorized();
    if (error instanceof Problem) return lacksCredentials(reply, error) ? unauthorized() : error;
    if (error instanceof KeyReused) return new Problem(422, 'idempotency.key_reused');
    if (error instanceof Busy) return new Problem(429, 'rate_limited', { headers: { 'retry-after': '1' } });
    if (error instanceof HttpException) return byStatus(error.getStatus()) ?? this.unexpected(error, reply);
    return this.unexpected(error, reply);
  }

  private unexpected(error: unknown, reply: FastifyReply): Problem {
    this.log.error(
      { requestId: reply.request.id, error: (error as Error | null)?.stack ?? String(error) },
      'request failed',
    );
    return new Problem(500, 'internal_error');
  }
}

/** A body that cannot be read holds no QR token either: without a token, 401 comes before what is wrong with it. */
function lacksCredentials({ request }: FastifyReply, { status }: Problem): boolean {
  const symbolon = (request.routeOptions.config as RouteAccess | undefined)?.symbolon;
  return symbolon?.credentialsInBody === true && !request.session && [400, 413, 415].includes(status);
}

export function sendProblem(reply: FastifyReply, problem: Problem): void {
  if (reply.sent || reply.raw.headersSent) {
    reply.raw.destroy();
    return;
  }
  // Fastify would close the connection on a body that was refused, and so cut off whoever still sends it before the
  // answer is read; what is left of it is discarded instead.
  reply.removeHeader('connection');
  void reply
    .code(problem.status)
    .headers({ 'cache-control': 'no-store', ...problem.options.headers })
    .type(problemType)
    .send(JSON.stringify(problem.body()));
}

/** What Nest and Fastify refuse on their own account. */
export function byStatus(status: number | undefined): Problem | null {
  switch (status) {
    case 400:
      return new Problem(400, 'request_malformed');
    case 404:
      return notFound();
    case 413:
      return new Problem(413, 'payload_too_large');
    case 415:
      return new Problem(415, 'unsupported_media_type');
    default:
      return null;
  }
}
