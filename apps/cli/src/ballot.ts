import { readdir, readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { exits } from '@symbolon/contracts';
import type { Context } from './context';
import { homeDirectory } from './credentials';
import { CliError } from './failure';
import { table } from './terminal';

export interface BallotOptions {
  readonly dir?: string;
}

export interface VoteOptions extends BallotOptions {
  readonly comment?: string;
}

interface BallotItem {
  readonly ballotId: string;
  readonly status: 'open' | 'voted' | 'closed';
  readonly vote: 'yes' | 'no' | null;
  readonly by: string | null;
  readonly closed: string | null;
  readonly picture: string;
  readonly ballot: { readonly poolId: string; readonly title: string; readonly expiresAt: string };
}

/** Ballots of the authenticators that run on this machine. */
export async function list(context: Context, { dir }: BallotOptions): Promise<void> {
  const ballots = (await Promise.all((await agents(context, dir)).map((agent) => ballotsOf(agent)))).flat();
  const open = ballots.filter(({ status }) => status === 'open');
  const rows = ballots.map(({ ballotId, status, vote, closed, ballot }) => [
    ballotId,
    status === 'voted' ? `voted ${vote}` : (closed ?? status),
    ballot.expiresAt,
    ballot.poolId,
    ballot.title,
  ]);
  const pictures = open.map(({ ballotId, picture }) => `${picture}\n  Vote with: symbolon ballot yes|no ${ballotId}`);
  context.terminal.result(
    { ballots },
    rows.length === 0
      ? 'There are no ballots.'
      : [table(['BALLOT', 'STATUS', 'UNTIL', 'POOL', 'TITLE'], rows), ...pictures].join('\n\n'),
  );
}

/** Votes through the agent that holds the ballot. */
export async function vote(
  context: Context,
  choice: 'yes' | 'no',
  ballotId: string,
  { dir, comment }: VoteOptions,
): Promise<void> {
  let reason = 'unknown';
  for (const agent of await agents(context, dir)) {
    const { status, body } = await ask(agent, 'POST', `/ballots/${encodeURIComponent(ballotId)}`, {
      vote: choice,
      comment,
    });
    if (status === 200) {
      context.terminal.result({ ballotId, vote: choice }, `Voted ${choice}.`);
      return;
    }
    if (body['reason'] !== 'unknown' && status !== 404) reason = String(body['reason']);
  }
  if (reason === 'unknown')
    throw new CliError(`No authenticator on this machine has a ballot ${ballotId}.`, exits.missing, 'ballot.unknown');
  throw new CliError(`The vote does not count: ${reason}.`, exits.refused, 'ballot.closed');
}

async function ballotsOf(agent: string): Promise<readonly BallotItem[]> {
  const { status, body } = await ask(agent, 'GET', '/ballots');
  if (status !== 200) throw new CliError('The agent does not show its ballots.', exits.unexpected, 'agent');
  return body['ballots'] as BallotItem[];
}

/** Control sockets of the authenticators that run here. */
async function agents(context: Context, dir?: string): Promise<string[]> {
  const dirs = dir === undefined ? await keptDirectories(context) : [resolve(dir)];
  const sockets = await Promise.all(dirs.map((one) => socketOf(one)));
  const running = sockets.filter((socket): socket is string => socket !== null);
  if (running.length > 0) return running;
  throw new CliError(
    'No authenticator runs here. Start one with `symbolon device run --role authenticator`, or name its directory with --dir.',
    exits.unavailable,
    'agent_not_running',
  );
}

async function keptDirectories(context: Context): Promise<string[]> {
  const kept = join(homeDirectory(context.terminal.surroundings.env), 'devices');
  return (await readdir(kept).catch(() => [])).map((name) => join(kept, name));
}

async function socketOf(dir: string): Promise<string | null> {
  try {
    const { socket } = JSON.parse(await readFile(join(dir, 'control.json'), 'utf8')) as { socket?: unknown };
    return typeof socket === 'string' ? socket : null;
  } catch {
    return null;
  }
}

async function ask(
  socketPath: string,
  method: string,
  path: string,
  fields?: object,
): Promise<{ status: number; body: Record<string, unknown> }> {
  try {
    return await new Promise((done, fail) => {
      const asked = request({ socketPath, method, path, timeout: 10_000 }, (response) => {
        text(response).then(
          (answer) => done({ status: response.statusCode ?? 0, body: JSON.parse(answer) as Record<string, unknown> }),
          fail,
        );
      });
      asked.on('timeout', () => asked.destroy(new Error('no answer')));
      asked.on('error', fail);
      asked.end(fields === undefined ? undefined : JSON.stringify(fields));
    });
  } catch (cause) {
    throw new CliError(
      `The agent does not answer (${cause instanceof Error ? cause.message : 'unknown'}). Is it running?`,
      exits.unavailable,
      'agent_not_running',
    );
  }
}
