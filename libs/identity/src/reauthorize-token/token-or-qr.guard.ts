import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { unauthorized } from '@symbolon/http';
import type { FastifyRequest } from 'fastify';

/** Without a token and without a QR token there are no credentials, whatever else the fields say. */
@Injectable()
export class TokenOrQr implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { session, body } = context.switchToHttp().getRequest<FastifyRequest>();
    const shown = (body as { qrToken?: unknown } | null | undefined)?.qrToken;
    if (!session && (shown === undefined || shown === null || shown === '')) throw unauthorized();
    return true;
  }
}
