import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { type CommandStatus, CommandStatuses, type Submitted } from '@symbolon/command-log';
import { wholeSeconds } from '@symbolon/kernel';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Observable, mergeMap } from 'rxjs';
import { Problem, unavailable } from './problem';

/** A controller's answer for a command: 202, or with `Prefer: wait` the final status (contract, section 4). */
export class Accepted {
  constructor(
    readonly submitted: Pick<Submitted, 'commandId' | 'requestId' | 'poolId'>,
    /** Answer with this body once the command has succeeded, whatever the caller prefers (row 30). */
    readonly whenDone?: object,
  ) {}
}

/** The status object of section 4. */
export function statusObject(status: CommandStatus): object {
  return {
    commandId: status.commandId,
    type: status.type,
    status: status.status,
    command_status: statusNumber(status.status),
    reason: status.reason,
    body: status.body,
    ...(status.poolId === null ? {} : { poolId: status.poolId }),
    createdAt: wholeSeconds(status.createdAt),
    updatedAt: wholeSeconds(status.updatedAt),
  };
}

export function statusNumber(status: CommandStatus['status']): 1 | 2 | 3 {
  return status === 'succeeded' ? 2 : status === 'rejected' ? 3 : 1;
}

/** Seconds of `Prefer: wait=N` (RFC 7240), at most 30; null when absent or malformed. */
export function preferredWait(header: string | string[] | undefined): number | null {
  for (const preference of String(header ?? '').split(',')) {
    const match = /^\s*wait\s*=\s*"?(\d+)"?\s*(;.*)?$/i.exec(preference);
    if (match) return Math.min(Number(match[1]), 30);
  }
  return null;
}

/** The headers of every answer about a command that was waited for or accepted (contract, section 4). */
export function commandHeaders({
  commandId,
  requestId,
}: Pick<Submitted, 'commandId' | 'requestId'>): Record<string, string> {
  return {
    'x-dpt-cab-id': commandId,
    location: `/request-status/${commandId}`,
    ...(requestId ? { 'x-dpt-cab-request-id': requestId } : {}),
  };
}

@Injectable()
export class AcceptedInterceptor implements NestInterceptor {
  constructor(private readonly statuses: CommandStatuses) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const http = context.switchToHttp();
    return next.handle().pipe(
      mergeMap(async (answer: unknown) => {
        const reply = http.getResponse<FastifyReply>();
        if (!(answer instanceof Accepted)) {
          if (reply.request.method === 'POST' && reply.statusCode === 201) void reply.code(200);
          return answer;
        }
        return this.answer(answer, http.getRequest<FastifyRequest>(), reply);
      }),
    );
  }

  private async answer(
    { submitted, whenDone }: Accepted,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<object> {
    const { commandId, requestId, poolId } = submitted;
    void reply.headers(commandHeaders({ commandId, requestId }));
    const wait = whenDone ? 30 : preferredWait(request.headers.prefer);
    const final = wait ? await this.statuses.untilFinal(commandId, wait * 1000, closed(reply)) : null;
    if (whenDone) return this.done(final, whenDone, reply);
    if (!final) {
      void reply.code(202);
      return { commandId, status: 'started', ...(poolId === undefined ? {} : { poolId }) };
    }
    void reply.code(200).header('preference-applied', 'wait');
    return statusObject(final);
  }

  private done(final: CommandStatus | null, body: object, reply: FastifyReply): object {
    if (!final) throw unavailable();
    if (final.reason === 'internal_error') throw new Problem(500, 'internal_error');
    if (final.status === 'rejected') throw new Problem(404, final.reason as 'data_token.not_found');
    void reply.code(200);
    return body;
  }
}

/** Aborts when nobody waits for the answer any more. */
export function closed(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort();
  });
  return controller.signal;
}
