import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { replaceFile } from '../durable';
import type { AuthenticatorRole } from './authenticator-role';
import { picture } from './picture';

/** Paths of Unix sockets are short (unix(7)). */
const longestPath = 100;
const longestBody = 4096;

/**
 * Lets other programs of the same user see and answer ballots, over HTTP on a Unix socket:
 * `GET /ballots` → `{"ballots":[{"ballotId","status","vote","by","ballot","picture"}]}`,
 * `POST /ballots/{ballotId}` with `{"vote":"yes|no","comment"}` → 200 `{"voted":"yes|no"}`, 409 `{"reason"}`.
 * `control.json` in the agent's directory says where the socket is; only the directory's owner can reach it.
 */
export class ControlSocket {
  private constructor(
    private readonly server: Server,
    private readonly path: string,
    private readonly note: string,
  ) {}

  static async open(dir: string, role: AuthenticatorRole): Promise<ControlSocket> {
    const own = join(dir, 'control.sock');
    const path = own.length <= longestPath ? own : join(await mkdtemp(join(tmpdir(), 'symbolon-')), 'control.sock');
    await rm(path, { force: true });
    const server = createServer((request, response) => void answer(role, request, response));
    server.listen(path);
    await once(server, 'listening');
    await chmod(path, 0o600);
    const note = join(dir, 'control.json');
    await replaceFile(note, JSON.stringify({ socket: path }));
    return new ControlSocket(server, path, note);
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await rm(this.note, { force: true });
    await rm(this.path, { force: true });
    if (!this.path.startsWith(dirname(this.note))) await rm(dirname(this.path), { recursive: true, force: true });
  }
}

async function answer(role: AuthenticatorRole, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const say = (status: number, body: object): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  try {
    if (request.method === 'GET' && request.url === '/ballots') return say(200, { ballots: listOf(role) });
    const [, ballotId] = /^\/ballots\/([0-9a-f-]{36})$/.exec(request.url ?? '') ?? [];
    if (request.method !== 'POST' || ballotId === undefined) return say(404, { reason: 'not found' });
    const asked = readVote(await bodyOf(request));
    if (!asked) return say(422, { reason: 'malformed' });
    const voted = await role.vote(ballotId, asked.vote, 'command line', asked.comment);
    return voted.taken ? say(200, { voted: asked.vote }) : say(409, { reason: voted.reason });
  } catch (error) {
    say(500, { reason: error instanceof Error ? error.message : 'unknown' });
  }
}

function listOf(role: AuthenticatorRole): object[] {
  return role.ballots().map(({ ballot, vote, closed }) => ({
    ballotId: ballot.ballotId,
    status: vote ? 'voted' : closed === null ? 'open' : 'closed',
    vote: vote?.vote ?? null,
    by: vote?.by ?? null,
    closed,
    ballot: { ...ballot, statement: undefined },
    picture: picture(ballot),
  }));
}

function readVote(text: string): { vote: 'yes' | 'no'; comment: string | null } | null {
  try {
    const { vote, comment = null } = JSON.parse(text) as { vote?: unknown; comment?: unknown };
    const right = (vote === 'yes' || vote === 'no') && (comment === null || typeof comment === 'string');
    return right ? { vote, comment } : null;
  } catch {
    return null;
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request) {
    body += String(chunk);
    if (body.length > longestBody) return '';
  }
  return body;
}
