import {
  applyDecorators,
  createParamDecorator,
  type ExecutionContext,
  Get,
  Post,
  Put,
  SetMetadata,
  type Type,
} from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiBody, ApiConsumes, ApiExtension, ApiHeader, ApiOperation, ApiResponse, ApiSecurity } from '@nestjs/swagger';
import type { Caller, ProfileCaller } from '@symbolon/command-log';
import type { FastifyRequest } from 'fastify';

/**
 * Auth column of the contract: `none`, any valid token, one of a profile with a registered public key, the credentials of
 * an OAuth application (`B`), or its access token as Basic credentials (`A`).
 */
export type Access = 'none' | 'T' | 'K' | 'B' | 'A';

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
  /** With `tokenOptional`: what stands in a token's place is a field of the body. */
  readonly credentialsInBody?: boolean;
  /** With access `A`: a token that is over still comes to the controller, which answers 401 itself. */
  readonly lapsed?: boolean;
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

const declared = 'symbolon:endpoint';
const verbs = { GET: Get, POST: Post, PUT: Put };

/** Declares a route with who may call it; the checks themselves run before the body is read. */
export function Endpoint(options: EndpointOptions): MethodDecorator {
  const { row, name, group, verb, path, aliases = [], access, tokenOptional, command, raw } = options;
  return applyDecorators(
    verbs[verb]([path, ...aliases]),
    RouteConfig({ symbolon: options }),
    SetMetadata(declared, options),
    ApiOperation({ summary: row === undefined ? name : `${row} ${name}`, tags: [group] }),
    ...(row === undefined ? [] : [ApiExtension('x-symbolon-row', row)]),
    ...(tokenOptional ? [ApiSecurity({})] : []),
    ...securityOf(access, tokenOptional === true),
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

/** The endpoints that a controller declares. */
export function endpointsOf(controller: Type): EndpointOptions[] {
  const prototype = controller.prototype as Record<string, unknown>;
  return Object.getOwnPropertyNames(prototype)
    .filter((name) => name !== 'constructor' && typeof prototype[name] === 'function')
    .map((name) => Reflect.getMetadata(declared, prototype[name] as object) as EndpointOptions | undefined)
    .filter((options) => options !== undefined);
}

function securityOf(access: Access, tokenOptional: boolean): MethodDecorator[] {
  if (access === 'B') return [ApiSecurity('client')];
  if (access === 'A') return [ApiSecurity('accessToken')];
  return access === 'none' && !tokenOptional ? [] : [ApiSecurity('token'), ApiSecurity('bearer')];
}

/** The caller of the request, as the edge's hooks established it. */
export const CallerOf = createParamDecorator((_: unknown, context: ExecutionContext): Caller => {
  const { caller } = context.switchToHttp().getRequest<FastifyRequest>();
  if (!caller) throw new Error('the route has no Endpoint declaration');
  return caller;
});

/** The OAuth application that shows its credentials, on a route with access `B`. */
export const ClientOf = createParamDecorator((_: unknown, context: ExecutionContext): ClientApplication => {
  const { client } = context.switchToHttp().getRequest<FastifyRequest>();
  if (!client) throw new Error('the route takes no credentials of an application');
  return client;
});

/** The access token that is shown, on a route with access `A`. */
export const AccessTokenOf = createParamDecorator((_: unknown, context: ExecutionContext): AccessToken => {
  const { accessToken } = context.switchToHttp().getRequest<FastifyRequest>();
  if (!accessToken) throw new Error('the route takes no access token');
  return accessToken;
});

export type { Caller, ProfileCaller };

declare module 'fastify' {
  interface FastifyRequest {
    caller?: Caller;
    session?: Session | null;
    client?: ClientApplication | null;
    accessToken?: AccessToken | null;
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

/** An OAuth application that has shown its client id and secret. */
export interface ClientApplication {
  readonly applicationId: string;
  readonly clientId: string;
  /** Who registered it. */
  readonly profileId: string;
}

/** An application's token. `expired`: it could still be refreshed. `ended`: revoked, or another has taken its place. */
export interface AccessToken extends Session {
  readonly kind: 'application';
  readonly applicationId: string;
  readonly clientId: string;
  readonly scopes: readonly string[];
  readonly state: 'live' | 'expired' | 'ended';
  /** The tokens that descend from one authorization code. */
  readonly familyId: string;
}

/** Finds OAuth applications by what they show; implemented by the identity context. */
export abstract class ClientApplications {
  /** Null for a client that is unknown, or another secret than its own. */
  abstract authenticate(clientId: string, clientSecret: string): Promise<ClientApplication | null>;

  /** Null for a token that never was one of an application, or that is forgotten. */
  abstract accessToken(token: string): Promise<AccessToken | null>;
}
