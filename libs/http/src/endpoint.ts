import { applyDecorators, createParamDecorator, type ExecutionContext, Get, Post, Put } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiBody, ApiConsumes, ApiExtension, ApiHeader, ApiOperation, ApiResponse, ApiSecurity } from '@nestjs/swagger';
import type { Caller, ProfileCaller } from '@symbolon/command-log';
import type { FastifyRequest } from 'fastify';

/** Auth column of the contract: `none`, any valid token, or one of a profile with a registered public key. */
export type Access = 'none' | 'T' | 'K';

export interface EndpointOptions {
  /** Row of the contract's section 10; absent for what lies beyond the menu. */
  readonly row?: number;
  readonly name: string;
  readonly group: string;
  readonly verb: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly aliases?: readonly string[];
  readonly access: Access;
  /** With access `none`: a token that is sent counts all the same; without a valid one the controller decides. */
  readonly tokenOptional?: boolean;
  /** Scope that an application's token needs; `any` = every scope will do; absent = not for applications. */
  readonly scope?: string;
  /** A device's own token may call it. */
  readonly device?: boolean;
  /** A `cmd` row: answers 202 with a command id. */
  readonly command?: boolean;
  /** The body is handed over as a stream, as it is. */
  readonly raw?: boolean;
}

/** What the edge's hooks read of a route (Fastify `routeOptions.config`). */
export interface RouteAccess {
  readonly symbolon?: EndpointOptions;
}

const verbs = { GET: Get, POST: Post, PUT: Put };

/** Declares a route with who may call it; the checks themselves run before the body is read. */
export function Endpoint(options: EndpointOptions): MethodDecorator {
  const { row, name, group, verb, path, aliases = [], access, tokenOptional, command, raw } = options;
  return applyDecorators(
    verbs[verb]([path, ...aliases]),
    RouteConfig({ symbolon: options }),
    ApiOperation({ summary: row === undefined ? name : `${row} ${name}`, tags: [group] }),
    ...(row === undefined ? [] : [ApiExtension('x-symbolon-row', row)]),
    ...(tokenOptional ? [ApiSecurity({})] : []),
    ...(access === 'none' && !tokenOptional ? [] : [ApiSecurity('token'), ApiSecurity('bearer')]),
    ...(raw && command
      ? [ApiConsumes('application/octet-stream'), ApiBody({ schema: { type: 'string', format: 'binary' } })]
      : []),
    ...(command
      ? [
          ApiHeader({ name: 'Prefer', required: false, description: 'wait=N holds the answer up to N seconds' }),
          // The auth of an upload works once anyway.
          ...(raw ? [] : [ApiHeader({ name: 'Idempotency-Key', required: false })]),
          ApiResponse({ status: 202, description: 'Accepted: commandId and status' }),
        ]
      : [ApiResponse({ status: 200, description: 'Done' })]),
  );
}

/** The caller of the request, as the edge's hooks established it. */
export const CallerOf = createParamDecorator((_: unknown, context: ExecutionContext): Caller => {
  const { caller } = context.switchToHttp().getRequest<FastifyRequest>();
  if (!caller) throw new Error('the route has no Endpoint declaration');
  return caller;
});

export type { Caller, ProfileCaller };

declare module 'fastify' {
  interface FastifyRequest {
    caller?: Caller;
    session?: Session | null;
  }
}

/** A live authorization token. */
export interface Session {
  readonly tokenId: string;
  readonly profileId: string;
  readonly kind: 'user' | 'device' | 'application';
  readonly hasPublicKey: boolean;
  readonly expiresAt: string;
  readonly applicationId?: string;
  readonly scopes?: readonly string[];
}

/** Finds sessions by token; implemented by the identity context. */
export abstract class Sessions {
  /** Null for a token that is malformed, unknown, expired or revoked. */
  abstract find(token: string): Promise<Session | null>;
}
