import type { Server } from 'node:http';
import { ValidationPipe } from '@nestjs/common';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Audit, type Caller, CommandStatuses } from '@symbolon/command-log';
import { uuid7 } from '@symbolon/crypto';
import { type Actor, type Client, Clock } from '@symbolon/kernel';
import type { ValidationError } from 'class-validator';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AcceptedInterceptor } from './accepted';
import { bodyLimit, isMalformed, mediaTypeForm, mediaTypes, parseBodies, parseQuery } from './body';
import { type EndpointOptions, type RouteAccess, type Session, Sessions } from './endpoint';
import { isUuid, keyMalformed, oversized } from './fields';
import { invalid, notFound, Problem, problemType, unauthorized, unavailable } from './problem';
import { type EdgeLog, ProblemFilter, sendProblem } from './problem.filter';
import { RateLimit, type Verdict } from './rate-limit';

export interface EdgeSettings {
  readonly ratePerToken: number;
  readonly ratePerAddress: number;
  /** Browser origins that may call; empty = CORS off. */
  readonly corsOrigins: readonly string[];
  /** Trust `X-Forwarded-For` of a proxy in front. */
  readonly trustProxy?: boolean;
}

/** Fastify as Nest's platform, set up so that the checks of section 3 can run in their order. */
export function edgeAdapter(): FastifyAdapter {
  const adapter = new FastifyAdapter({
    bodyLimit: Number.MAX_SAFE_INTEGER, // our parser counts; raw routes have their own limit
    routerOptions: { ignoreTrailingSlash: true, querystringParser: parseQuery, maxParamLength: 300 },
    genReqId: () => uuid7(),
    requestTimeout: 0,
    keepAliveTimeout: 65_000,
    forceCloseConnections: 'idle',
    exposeHeadRoutes: false,
    // A path that is not even percent-encoded is an unknown one.
    frameworkErrors: (_error: Error, _request: FastifyRequest, reply: FastifyReply) => sendProblem(reply, notFound()),
  });
  return adapter;
}

interface KnownPath {
  readonly pattern: RegExp;
  readonly methods: Set<string>;
}

/**
 * Installs the edge on an application before it listens. Order of checks (section 3): unknown path 404 → 405 → 429 →
 * 401 → 403 → then body parsing 415, 413, 400 → validation 422 → the controller.
 */
export function installEdge(app: NestFastifyApplication, settings: EdgeSettings, log: EdgeLog): void {
  const fastify = app.getHttpAdapter().getInstance();
  const sessions = app.get(Sessions);
  const audit = app.get(Audit);
  const clock = app.get(Clock);
  const byToken = new RateLimit('token', settings.ratePerToken, clock);
  const byAddress = new RateLimit('address', settings.ratePerAddress, clock);
  const known = new Map<string, KnownPath>();

  fastify.addHook('onRoute', ({ method, url }) => {
    const entry = known.get(url) ?? { pattern: patternOf(url), methods: new Set<string>() };
    for (const name of [method].flat()) entry.methods.add(name);
    known.set(url, entry);
  });
  parseBodies(fastify);
  if (settings.corsOrigins.length > 0) {
    app.enableCors({
      origin: [...settings.corsOrigins],
      preflight: false, // answered below: what is none is a wrong verb like any other
      exposedHeaders: [
        'Location',
        'Retry-After',
        'Preference-Applied',
        'RateLimit',
        'RateLimit-Policy',
        'X-DPT-CAB-ID',
        'X-DPT-CAB-REQUEST-ID',
      ],
    });
  }

  fastify.addHook('onRequest', async (request: FastifyRequest, reply: FastifyReply) => {
    void reply.header('cache-control', 'no-store');
    const options = (request.routeOptions.config as RouteAccess | undefined)?.symbolon;
    if (!options) {
      const problem = unknownPath(request, known);
      const preflight = settings.corsOrigins.length > 0 && problem.status === 405 && isPreflight(request);
      return preflight ? allow(request, reply, problem) : sendProblem(reply, problem);
    }
    // Whatever a raw body calls itself, it is taken as it is; a malformed name must not make Fastify refuse it, nor an
    // empty body of whatever name.
    if (options.raw || !mediaTypeForm.test(request.headers['content-type'] ?? mediaTypes.raw)) {
      request.headers['content-type'] = mediaTypes.raw;
    }
    if (isBareRoot(request)) return sendProblem(reply, notFound());
    try {
      const session = takesToken(options) ? await find(sessions, tokenOf(request)) : null;
      const verdict: Verdict = session ? byToken.take(session.tokenId) : byAddress.take(request.ip);
      void reply.headers(verdict.headers);
      if (!verdict.allowed) return sendProblem(reply, new Problem(429, 'rate_limited', { headers: verdict.headers }));
      if (options.access !== 'none' && !session) return sendProblem(reply, unauthorized());
      request.session = session;
      request.caller = callerOf(request, reply, session);
      const refusal = session ? forbidden(options, session) : null;
      if (refusal) {
        await audit.denied(request.caller, request.method, auditedPath(request), refusal.code);
        return sendProblem(reply, refusal);
      }
    } catch (error) {
      log.error(
        { requestId: request.id, error: error instanceof Error ? error.message : 'unknown' },
        'access check failed',
      );
      return sendProblem(reply, unavailable());
    }
  });
  fastify.addHook('preValidation', async (request: FastifyRequest) => {
    const { symbolon } = request.routeOptions.config as RouteAccess;
    if (!symbolon?.raw && isMalformed(request.query)) throw new Problem(400, 'request_malformed');
  });

  app.useGlobalPipes(
    new ValidationPipe({
      transform: true,
      whitelist: true,
      exceptionFactory,
      validationError: { target: false, value: false },
    }),
  );
  app.useGlobalInterceptors(new AcceptedInterceptor(app.get(CommandStatuses)));
  app.useGlobalFilters(new ProblemFilter(log));
  refuseMalformedHttp(app.getHttpServer());
}

export { bodyLimit };

async function find(sessions: Sessions, token: string | null): Promise<Session | null> {
  return token === null ? null : sessions.find(token);
}

/** `X-DPT-AUTHORIZATION` counts before `Authorization: Bearer`. */
export function tokenOf({ headers }: FastifyRequest): string | null {
  const own = headers['x-dpt-authorization'];
  if (own !== undefined) return typeof own === 'string' && own !== '' ? own : null;
  return /^Bearer ([^\s]+)$/i.exec(headers.authorization ?? '')?.[1] ?? null;
}

function isPreflight({ method, headers }: FastifyRequest): boolean {
  return method === 'OPTIONS' && headers.origin !== undefined && 'access-control-request-method' in headers;
}

/** A browser asks before it calls. Whether its origin may, the headers of every answer say. */
function allow({ headers }: FastifyRequest, reply: FastifyReply, { options }: Problem): void {
  void reply
    .code(204)
    .headers({
      'access-control-allow-methods': options.headers?.['allow'],
      'access-control-allow-headers': headers['access-control-request-headers'],
      'access-control-max-age': '600',
    })
    .send();
}

function takesToken({ access, tokenOptional }: EndpointOptions): boolean {
  return access !== 'none' || tokenOptional === true;
}

function forbidden(options: EndpointOptions, session: Session): Problem | null {
  if (session.kind === 'device' && !options.device) return new Problem(403, 'profile.device_not_allowed');
  if (session.kind === 'application') {
    const scopes = session.scopes ?? [];
    const covered =
      options.scope === 'any' ? scopes.length > 0 : options.scope !== undefined && scopes.includes(options.scope);
    if (!covered) return new Problem(403, 'oauth.scope_insufficient');
  }
  if (options.access === 'K' && !session.hasPublicKey && !(session.kind === 'device' && options.device)) {
    return new Problem(403, 'profile.public_key_required');
  }
  return null;
}

function callerOf(request: FastifyRequest, reply: FastifyReply, session: Session | null): Caller {
  const answered = new Promise<void>((resolve) => reply.raw.once('close', resolve));
  return {
    actor: actorOf(session),
    client: clientOf(request),
    profileId: session?.profileId ?? null,
    tokenId: session?.tokenId ?? null,
    // Looked at by commands only, and after their fields were checked: a malformed key is refused last of all.
    get idempotencyKey() {
      const key = request.headers['idempotency-key'];
      return request.method === 'POST' && key !== undefined ? checkedKey(key) : null;
    },
    answered,
  };
}

function checkedKey(key: string | string[]): string {
  if (typeof key !== 'string' || !/^[\x20-\x7e]{1,255}$/.test(key))
    throw invalid({ 'Idempotency-Key': ['must be 1 to 255 printable ASCII characters'] });
  return key;
}

function actorOf(session: Session | null): Actor {
  if (!session) return { profileId: null, kind: 'user' };
  const { profileId, kind, applicationId } = session;
  return {
    profileId,
    kind,
    ...(applicationId ? { applicationId } : {}),
    ...(kind === 'device' ? { deviceIdentifier: profileId } : {}),
  };
}

function clientOf(request: FastifyRequest): Client {
  const location = request.headers['x-symbolon-location'];
  return {
    ip: request.ip,
    userAgent: request.headers['user-agent']?.slice(0, 500) ?? null,
    location: typeof location === 'string' && location.length <= 200 ? location : null,
  };
}

/** `/` serves transfers only: without `auth` it is an unknown path. */
function isBareRoot(request: FastifyRequest): boolean {
  return pathOf(request) === '/' && typeof (request.query as Record<string, unknown>)['auth'] === 'undefined';
}

function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0]!;
}

/** What stands in the place of an id and is none may be anything, also a secret: then the route's own path is recorded. */
function auditedPath(request: FastifyRequest): string {
  const given = Object.values(request.params as Record<string, unknown>);
  return given.every(isUuid) ? pathOf(request) : (request.routeOptions.url ?? '/');
}

function patternOf(url: string): RegExp {
  const source = url
    .replace(/\/$/, '')
    .replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    .replace(/:[A-Za-z]+/g, '[^/]+');
  return new RegExp(`^${source}/?$`);
}

function unknownPath(request: FastifyRequest, known: ReadonlyMap<string, KnownPath>): Problem {
  const path = pathOf(request);
  if (path === '/' && typeof (request.query as Record<string, unknown> | undefined)?.['auth'] === 'undefined')
    return notFound();
  const methods = new Set<string>();
  for (const { pattern, methods: served } of known.values()) {
    if (pattern.test(path)) for (const method of served) methods.add(method);
  }
  if (methods.size === 0) return notFound();
  return new Problem(405, 'method_not_allowed', { headers: { allow: [...methods].sort().join(', ') } });
}

function exceptionFactory(failures: ValidationError[]): Problem {
  const errors: Record<string, string[]> = {};
  collect(failures, '', errors);
  const messages = Object.values(errors).flat();
  if (messages.includes(oversized)) return new Problem(413, 'payload_too_large');
  if (messages.includes(keyMalformed)) {
    for (const [name, texts] of Object.entries(errors)) {
      errors[name] = texts.map((text) => (text === keyMalformed ? 'is malformed' : text));
    }
    if (messages.every((message) => message === keyMalformed))
      return new Problem(422, 'public_key.invalid', { errors });
  }
  return invalid(errors);
}

function collect(failures: readonly ValidationError[], prefix: string, errors: Record<string, string[]>): void {
  for (const { property, constraints, children } of failures) {
    const name = prefix + property;
    if (constraints) errors[name] = Object.values(constraints);
    if (children) collect(children, `${name}.`, errors);
  }
}

/** What Node's parser refuses never reaches Fastify: it gets our 400 as well. */
function refuseMalformedHttp(server: Server): void {
  server.removeAllListeners('clientError');
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
    const body = JSON.stringify(new Problem(400, 'request_malformed').body());
    socket.end(
      `HTTP/1.1 400 Bad Request\r\nConnection: close\r\nCache-Control: no-store\r\nContent-Type: ${problemType}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  });
}
