import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';

type Verdict = { readonly succeeded: unknown } | { readonly rejected: string };
interface Seen {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly fields: Record<string, unknown>;
}
interface Command {
  readonly type: string;
  readonly verdict: Verdict;
  final: boolean;
}

export const profileId = '01937b49-0c11-7f3e-8d02-5a6b7c8d9e0f';

/**
 * A vault small enough to be told what to do: it speaks the answers of the API contract and keeps payloads as they
 * come. Commands are final at once, or, with `hold`, only when `release` is called.
 */
export class FakeVault {
  readonly seen: Seen[] = [];
  readonly payloads = new Map<string, Buffer>();
  readonly commands = new Map<string, Command>();
  /** Answers instead of the usual one, for the next call of a path. */
  readonly interceptions = new Map<string, ((request: IncomingMessage, response: ServerResponse) => void)[]>();
  /** What commands lead to, by path; others succeed with null. */
  readonly verdicts = new Map<string, (fields: Record<string, unknown>) => Verdict>();
  hold = false;
  refuseJoin = false;
  /** Drops the bytes of uploads as they come. */
  discard = false;
  url = '';
  private readonly http = createServer((request, response) => void this.answer(request, response));
  private readonly webSockets = new WebSocketServer({ server: this.http, path: '/ws' });
  private readonly joined = new Set<WebSocket>();
  private readonly uploads = new Set<IncomingMessage>();
  private readonly recent: object[] = [];
  private readonly keys = new Map<string, string>();
  private readonly waiting = new Set<() => void>();

  static async start(): Promise<FakeVault> {
    const vault = new FakeVault();
    vault.webSockets.on('connection', (socket) => socket.on('message', (data) => vault.hear(socket, String(data))));
    await new Promise<void>((resolve) => vault.http.listen(0, '127.0.0.1', resolve));
    vault.url = `http://127.0.0.1:${(vault.http.address() as AddressInfo).port}`;
    return vault;
  }

  async stop(): Promise<void> {
    this.dropChannels();
    this.webSockets.close();
    this.http.closeAllConnections();
    await new Promise((resolve) => this.http.close(resolve));
  }

  /** Resolves as soon as `condition` holds; asked again at every request, frame and join. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.waiting.add(resolve));
  }

  get channels(): number {
    return this.joined.size;
  }

  calls(path: string): Seen[] {
    return this.seen.filter((call) => call.path === path);
  }

  intercept(path: string, answer: (request: IncomingMessage, response: ServerResponse) => void): void {
    this.interceptions.set(path, [...(this.interceptions.get(path) ?? []), answer]);
  }

  breakUploads(): void {
    for (const request of this.uploads) request.socket.destroy();
  }

  dropChannels(): void {
    for (const socket of this.webSockets.clients) socket.terminate();
    this.joined.clear();
  }

  /** Makes a held command final; with `tell` the channel hears of it. */
  release(commandId: string, tell = true): void {
    const command = this.commands.get(commandId)!;
    command.final = true;
    const { verdict } = command;
    const message = {
      data: {
        type: 'X-DPT-CAB-ID',
        id: commandId,
        command_status: 'succeeded' in verdict ? 2 : 3,
        body: 'succeeded' in verdict ? verdict.succeeded : verdict.rejected,
      },
    };
    this.recent.push(message);
    if (tell) this.broadcast(message);
  }

  broadcast(message: object): void {
    for (const socket of this.joined) socket.send(JSON.stringify(message));
  }

  private changed(): void {
    const waiting = [...this.waiting];
    this.waiting.clear();
    for (const go of waiting) go();
  }

  private hear(socket: WebSocket, text: string): void {
    const { action, data } = JSON.parse(text) as { action: string; data: { correlationId?: string } };
    const status = action === 'joinChannel' && !this.refuseJoin ? 200 : 401;
    socket.send(
      JSON.stringify({ correlationId: data.correlationId ?? null, status, data: { channelId: randomUUID() } }),
    );
    if (status === 200) {
      for (const message of this.recent) socket.send(JSON.stringify(message));
      this.joined.add(socket);
      socket.on('close', () => this.joined.delete(socket));
    }
    this.changed();
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, this.url);
    const chunks: Buffer[] = [];
    const path = url.pathname;
    const intercepted = this.interceptions.get(path)?.shift();
    if (path === '/upstream/') this.uploads.add(request);
    try {
      for await (const chunk of request) if (!this.discard || path !== '/upstream/') chunks.push(chunk as Buffer);
    } catch {
      return this.changed();
    }
    const body = Buffer.concat(chunks);
    const isJson = request.headers['content-type'] === 'application/json';
    const fields = isJson
      ? (JSON.parse(body.toString()) as Record<string, unknown>)
      : Object.fromEntries(url.searchParams);
    this.seen.push({ method: request.method!, path, headers: request.headers, fields });
    if (intercepted) intercepted(request, response);
    else this.route(request, response, url, fields, body);
    this.changed();
  }

  private route(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    fields: Record<string, unknown>,
    body: Buffer,
  ): void {
    const path = url.pathname;
    const json = (status: number, value: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    };
    const statusId = /^\/request-status\/(.+)$/.exec(path)?.[1];
    if (statusId) {
      const command = this.commands.get(statusId);
      if (command) json(command.final ? 200 : 202, this.statusOf(statusId));
      else problem(response, 404, 'not_found');
    } else if (path === '/profile/authenticate') {
      if (fields['password'] === 'right') json(200, { authorizationToken: 'T-token', expiresAt: 'later' });
      else problem(response, 401, 'unauthorized');
    } else if (path === '/profile/retrieve-profile-id') {
      json(200, { profileId });
    } else if (path.startsWith('/data-token/retrieve-temporary-data-token/')) {
      const token = `dt_${path.slice(-36)}`;
      json(200, { token, stream: `${this.url}/upstream/?auth=${token}`, expiresAt: 'later' });
    } else if (path === '/upstream/') {
      const token = url.searchParams.get('auth')!;
      this.payloads.set(token, body);
      this.command(request, response, path, { token, size: body.length });
    } else if (path === '/downstream/') {
      const payload = this.payloads.get(url.searchParams.get('auth')!)!;
      response.writeHead(200, { 'content-length': payload.length }).end(payload);
    } else if (request.method === 'GET') {
      json(200, { items: [], meta: { count: 0, page: 1, perPage: 25 }, asked: fields });
    } else {
      this.command(request, response, path, fields);
    }
  }

  private command(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    fields: Record<string, unknown>,
  ): void {
    const key = request.headers['idempotency-key'] as string | undefined;
    const known = key && this.keys.get(path + key);
    const id = known || randomUUID();
    if (!known) {
      this.commands.set(id, { type: path.slice(1), verdict: this.verdictOf(path, fields), final: !this.hold });
      if (key) this.keys.set(path + key, id);
    }
    const { final } = this.commands.get(id)!;
    response
      .writeHead(final ? 200 : 202, { 'content-type': 'application/json' })
      .end(JSON.stringify(final ? this.statusOf(id) : { commandId: id, status: 'started' }));
  }

  private verdictOf(path: string, fields: Record<string, unknown>): Verdict {
    const told = this.verdicts.get(path)?.(fields);
    if (told) return told;
    if (path === '/upstream/') return { succeeded: { token: fields['token'], version: 1, size: fields['size'] } };
    if (path === '/data-token/exchange-data-for-token') {
      const payload = Buffer.from(fields['data'] as string, 'base64');
      this.payloads.set(fields['temporaryTokenSpace'] as string, payload);
      return { succeeded: { token: fields['temporaryTokenSpace'], version: 1, size: payload.length } };
    }
    if (path === '/data-token/request-data') {
      const token = fields['token'] as string;
      const downloadUrl = `${this.url}/downstream/?auth=${token}`;
      const payload = this.payloads.get(token);
      if (!payload) return { rejected: 'data_token.not_permanent' };
      return { succeeded: { requestId: randomUUID(), outputType: 1, size: payload.length, downloadUrl } };
    }
    return { succeeded: null };
  }

  private statusOf(commandId: string): object {
    const { type, verdict, final } = this.commands.get(commandId)!;
    if (!final) return { commandId, type, status: 'started', command_status: 1, reason: null, body: null };
    return 'succeeded' in verdict
      ? { commandId, type, status: 'succeeded', command_status: 2, reason: null, body: verdict.succeeded }
      : { commandId, type, status: 'rejected', command_status: 3, reason: verdict.rejected, body: null };
  }
}

export function problem(
  response: ServerResponse,
  status: number,
  code: string,
  more: { readonly errors?: Record<string, string[]>; readonly retryAfter?: number } = {},
): void {
  const headers: Record<string, string> = { 'content-type': 'application/problem+json' };
  if (more.retryAfter !== undefined) headers['retry-after'] = String(more.retryAfter);
  const body = { type: `urn:symbolon:problem:${code}`, title: code, status, detail: `because of ${code}`, code };
  response.writeHead(status, headers).end(JSON.stringify({ ...body, errors: more.errors }));
}
