import type { IncomingMessage, Server } from 'node:http';
import { ValidationPipe } from '@nestjs/common';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Audit, type Caller, CommandStatuses } from '@symbolon/command-log';
import { AssertionError, type Assertions, uuid7 } from '@symbolon/crypto';
import { type Actor, type Client, Clock } from '@symbolon/kernel';
import { correlate } from '@symbolon/observe';
import type { ValidationError } from 'class-validator';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AcceptedInterceptor } from './accepted';
import { type Asserted, assertedOf, assertionHeader, claimsOf } from './assertion';
import { isMalformed, mediaTypeForm, mediaTypes, parseBodies, parseQuery } from './body';
import { ClientAddresses } from './client-addresses';
import {
  type AccessToken,
  type ClientApplication,
  ClientApplications,
  type EndpointOptions,
  type RouteAccess,
  type Session,
  Sessions,
} from './endpoint';
import { isUuid, keyMalformed, oversized } from './fields';
import { invalid, notFound, Problem, problemType, unauthorized, unavailable } from './problem';
import { type EdgeLog, ProblemFilter, sendProblem } from './problem.filter';
import { RateLimit, type Verdict } from './rate-limit';

export interface EdgeSettings {
  readonly ratePerToken: number;
  readonly ratePerAddress: number;
  /** Browser origins that may call; empty = CORS off. */
  readonly corsOrigins: readonly string[];
  /** Addresses and CIDR ranges of proxies whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[];
}

/** What the edge has to say about requests that ask to become WebSockets: no hook of its own sees them. */
export interface UpgradeEdge {
  addressOf(request: IncomingMessage): Client;
  /** Counts the request, which has no token, by its address; what to answer where that is too many, else null. */
  limit(request: IncomingMessage): Problem | null;
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

/** Says whose a call is, and hands it over where that is another process. */
export interface Calls {
  /** The service that a request is for; null: it cannot be said, because nobody knows the one-time auth. */
  serviceOf(request: FastifyRequest): Promise<string | null> | string;
  /** Takes the request over where its service is another process; answers whether it did. */
  forward(request: FastifyRequest, reply: FastifyReply, service: string, assertion: string): boolean;
}

/**
 * Installs the edge on an application before it listens. Order of checks (section 3): unknown path 404 → 405 → 429 →
 * 401 → 403 → then body parsing 415, 413, 400 → validation 422 → the controller. What the edge has established about a
 * call reaches controllers only as a signed assertion that was made for this call.
 */
export function installEdge(
  app: NestFastifyApplication,
  settings: EdgeSettings,
  { assertions, calls }: { readonly assertions: Assertions; readonly calls: Calls },
  log: EdgeLog,
): UpgradeEdge {
  const fastify = app.getHttpAdapter().getInstance();
  const sessions = app.get(Sessions);
  const applications = app.get(ClientApplications);
  const audit = app.get(Audit);
  const clock = app.get(Clock);
  const byToken = new RateLimit('token', settings.ratePerToken, clock);
  const byAddress = new RateLimit('address', settings.ratePerAddress, clock);
  const addresses = new ClientAddresses(settings.trustedProxies);
  const addressOf = (request: IncomingMessage) => clientOf(request, addresses.of(request));
  const known = knownPaths(app);
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

  fastify.addHook('onRequest', underCorrelation);
  fastify.addHook('onRequest', async (request: FastifyRequest, reply: FastifyReply) => {
    void reply.header('cache-control', 'no-store');
    const options = (request.routeOptions.config as RouteAccess | undefined)?.symbolon;
    if (!options) {
      const problem = unknownPath(request, known);
      const preflight = settings.corsOrigins.length > 0 && problem.status === 405 && isPreflight(request);
      return preflight ? allow(request, reply, problem) : sendProblem(reply, problem);
    }
    if (isBareRoot(request)) return sendProblem(reply, notFound());
    try {
      const application = options.access === 'B' ? await applicationOf(applications, request) : null;
      const accessToken = options.access === 'A' ? await accessTokenOf(applications, request, options) : null;
      const session = takesToken(options) ? await find(sessions, tokenOf(request)) : accessToken;
      const address = addressOf(request.raw);
      const verdict: Verdict = session ? byToken.take(session.tokenId) : byAddress.take(address.ip ?? '');
      void reply.headers(verdict.headers);
      if (!verdict.allowed) return sendProblem(reply, limited(verdict));
      if (options.access !== 'none' && !session && !application) return sendProblem(reply, unauthorized());
      const asserted = { session, application, accessToken, address, requestId: request.id };
      const refusal = session && !accessToken ? forbidden(options, session) : null;
      if (refusal) {
        const caller = callerOf(request, reply, asserted);
        await audit.denied(caller, request.method, auditedPath(request), refusal.code);
        return sendProblem(reply, refusal);
      }
      const audience = await calls.serviceOf(request);
      if (audience === null) return sendProblem(reply, unauthorized());
      const call = { audience, method: request.method, url: request.url };
      const assertion = assertions.make(call, claimsOf(asserted));
      if (calls.forward(request, reply, audience, assertion)) return;
      establish(request, reply, assertedOf(assertions.take(assertion, call)));
    } catch (error) {
      log.error(
        { requestId: request.id, error: error instanceof Error ? error.message : 'unknown' },
        'access check failed',
      );
      return sendProblem(reply, unavailable());
    }
  });
  installController(app, log);
  return {
    addressOf,
    limit: (request) => {
      const verdict = byAddress.take(addresses.of(request) ?? '');
      return verdict.allowed ? null : limited(verdict);
    },
  };
}

function limited({ headers }: Verdict): Problem {
  return new Problem(429, 'rate_limited', { headers });
}

/**
 * Installs what a service needs behind a gateway. It knows its callers from assertions alone: a call without one that
 * was made for it is answered 401, whatever credentials it brings. `open`: routes for probes, which say nothing.
 */
export function installService(
  app: NestFastifyApplication,
  {
    name,
    assertions,
    open,
  }: { readonly name: string; readonly assertions: Assertions; readonly open: ReadonlySet<string> },
  log: EdgeLog,
): void {
  const fastify = app.getHttpAdapter().getInstance();
  const known = knownPaths(app);
  parseBodies(fastify);
  fastify.addHook('onRequest', async (request: FastifyRequest, reply: FastifyReply) => {
    void reply.header('cache-control', 'no-store');
    const options = (request.routeOptions.config as RouteAccess | undefined)?.symbolon;
    if (!options) return sendProblem(reply, unknownPath(request, known));
    if (open.has(request.routeOptions.url ?? '')) return;
    const asserted = assertedFor(name, assertions, request);
    if (!asserted) return sendProblem(reply, unauthorized());
    request.id = asserted.requestId;
    establish(request, reply, asserted);
  });
  fastify.addHook('onRequest', underCorrelation);
  installController(app, log);
}

/** What an assertion in a request's header says, where it was made for this very call of this service. */
export function assertedFor(
  audience: string,
  assertions: Assertions,
  { method = 'GET', url = '/', headers }: Pick<IncomingMessage, 'method' | 'url' | 'headers'>,
): Asserted | null {
  const text = headers[assertionHeader];
  try {
    return typeof text === 'string' ? assertedOf(assertions.take(text, { audience, method, url })) : null;
  } catch (error) {
    if (error instanceof AssertionError) return null;
    throw error;
  }
}

/** Every line that is logged about a request says which one it was; its command, if it makes one, has the same id. */
function underCorrelation(request: FastifyRequest, _reply: FastifyReply, done: () => void): void {
  correlate({ correlationId: request.id }, done);
}

function knownPaths(app: NestFastifyApplication): ReadonlyMap<string, KnownPath> {
  const known = new Map<string, KnownPath>();
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onRoute', ({ method, url }) => {
      const entry = known.get(url) ?? { pattern: patternOf(url), methods: new Set<string>() };
      for (const name of [method].flat()) entry.methods.add(name);
      known.set(url, entry);
    });
  return known;
}

function establish(request: FastifyRequest, reply: FastifyReply, asserted: Asserted): void {
  request.session = asserted.session;
  request.client = asserted.application;
  request.accessToken = asserted.accessToken;
  request.caller = callerOf(request, reply, asserted);
}

/** What follows once it is known who calls: the body, its checks, the controller and its answer. */
function installController(app: NestFastifyApplication, log: EdgeLog): void {
  const fastify = app.getHttpAdapter().getInstance();
  fastify.addHook('onRequest', async (request: FastifyRequest) => {
    const options = (request.routeOptions.config as RouteAccess | undefined)?.symbolon;
    // Whatever a raw body calls itself, it is taken as it is; a malformed name must not make Fastify refuse it, nor an
    // empty body of whatever name.
    if (options?.raw || !mediaTypeForm.test(request.headers['content-type'] ?? mediaTypes.raw)) {
      request.headers['content-type'] = mediaTypes.raw;
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

async function find(sessions: Sessions, token: string | null): Promise<Session | null> {
  return token === null ? null : sessions.find(token);
}

/** `X-DPT-AUTHORIZATION` counts before `Authorization: Bearer`. */
export function tokenOf({ headers }: FastifyRequest): string | null {
  const own = headers['x-dpt-authorization'];
  if (own !== undefined) return typeof own === 'string' && own !== '' ? own : null;
  return /^Bearer +([^\s]+)$/i.exec(headers.authorization ?? '')?.[1] ?? null;
}

/** `Authorization: Basic base64(clientId:clientSecret)`. */
async function applicationOf(
  applications: ClientApplications,
  request: FastifyRequest,
): Promise<ClientApplication | null> {
  const given = /^[A-Za-z0-9+/]+={0,2}$/.exec(basicOf(request) ?? '')?.[0];
  if (given === undefined) return null;
  const text = Buffer.from(given, 'base64').toString();
  const colon = text.indexOf(':');
  return colon < 0 ? null : applications.authenticate(text.slice(0, colon), text.slice(colon + 1));
}

/** `Authorization: Basic <access token>`, the token as it is. */
async function accessTokenOf(
  applications: ClientApplications,
  request: FastifyRequest,
  { lapsed }: EndpointOptions,
): Promise<AccessToken | null> {
  const given = basicOf(request);
  const found = given === null ? null : await applications.accessToken(given);
  return found && (lapsed || found.state === 'live') ? found : null;
}

function basicOf({ headers }: FastifyRequest): string | null {
  return /^Basic +([^\s]+)$/i.exec(headers.authorization ?? '')?.[1] ?? null;
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
  return access === 'T' || access === 'K' || tokenOptional === true;
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

function callerOf(request: FastifyRequest, reply: FastifyReply, asserted: Asserted): Caller {
  const { session, application, address, requestId } = asserted;
  const answered = new Promise<void>((resolve) => reply.raw.once('close', resolve));
  let commands = 0;
  return {
    actor: actorOf(session ?? (application && { ...application, kind: 'application' })),
    client: address,
    profileId: session?.profileId ?? application?.profileId ?? null,
    tokenId: session?.tokenId ?? null,
    // Looked at by commands only, and after their fields were checked: a malformed key is refused last of all.
    get idempotencyKey() {
      const key = request.headers['idempotency-key'];
      return request.method === 'POST' && key !== undefined ? checkedKey(key) : null;
    },
    answered,
    nextCommandId: () => (commands++ === 0 ? requestId : uuid7()),
  };
}

function checkedKey(key: string | string[]): string {
  if (typeof key !== 'string' || !/^[\x20-\x7e]{1,255}$/.test(key))
    throw invalid({ 'Idempotency-Key': ['must be 1 to 255 printable ASCII characters'] });
  return key;
}

function actorOf(who: Pick<Session, 'profileId' | 'kind' | 'applicationId'> | null): Actor {
  if (!who) return { profileId: null, kind: 'user' };
  const { profileId, kind, applicationId } = who;
  return {
    profileId,
    kind,
    ...(applicationId ? { applicationId } : {}),
    ...(kind === 'device' ? { deviceIdentifier: profileId } : {}),
  };
}

function clientOf({ headers }: IncomingMessage, ip: string | null): Client {
  const location = headers['x-symbolon-location'];
  return {
    ip,
    userAgent: headers['user-agent']?.slice(0, 500) ?? null,
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
