import type { Pool } from '@symbolon/sdk';
import type { Context } from './context';
import { enableIn } from './device';
import { CliError } from './failure';
import { table } from './terminal';

const waiting = { channel: true } as const;
const asking = { channel: false } as const;

export interface PageOptions {
  readonly page?: number;
  readonly perPage?: number;
}

/** Makes an approved device an authenticator, as soon as it has registered its key. */
export async function addAuthenticator(context: Context, deviceIdentifier: string): Promise<void> {
  await context.session(waiting, (session) => enableIn(session, context, deviceIdentifier, 'authenticator'));
  context.terminal.result({ deviceIdentifier, roles: ['authenticator'] }, deviceIdentifier);
}

export async function removeAuthenticator(context: Context, deviceIdentifier: string): Promise<void> {
  await context.session(waiting, ({ authenticators }) => authenticators.remove(deviceIdentifier, context.patience));
  context.terminal.result({ deviceIdentifier, removed: true }, deviceIdentifier);
}

export async function listAuthenticators(context: Context, { page, perPage }: PageOptions): Promise<void> {
  await context.session(asking, async ({ authenticators }) => {
    const found = await authenticators.list({ page, perPage });
    const rows = found.items.map(({ deviceIdentifier, verified, online, lastVoteAt, name }) => [
      deviceIdentifier,
      verified ? 'verified' : 'not verified',
      online ? 'online' : 'offline',
      lastVoteAt ?? '-',
      name,
    ]);
    const text = rows.length === 0 ? '' : table(['DEVICE', 'STATUS', 'CHANNEL', 'LAST VOTE', 'NAME'], rows);
    context.terminal.result(found, text);
  });
}

export async function showSettings(context: Context): Promise<void> {
  await context.session(asking, async ({ voting }) => {
    const settings = await voting.settings();
    const { strategy, strategy_params: params, quorumSize, timeLimit, numberOfAttempts } = settings;
    const rows = [
      ['strategy', params === null ? strategy : `${strategy} ${params}`],
      ['quorum', String(quorumSize)],
      ['time limit', `${timeLimit} s`],
      ['attempts', String(numberOfAttempts)],
    ];
    context.terminal.result(settings, table(['SETTING', 'VALUE'], rows));
  });
}

export interface SettingsOptions {
  readonly quorum?: number;
  readonly strategy?: string;
  readonly params?: string;
  readonly timeLimit?: number;
  readonly attempts?: number;
}

/** Each that is given is a command of its own, so that a vote on one does not hold the others. */
export async function changeSettings(context: Context, options: SettingsOptions): Promise<void> {
  const { quorum, strategy, params, timeLimit, attempts } = options;
  if (quorum === undefined && strategy === undefined && timeLimit === undefined && attempts === undefined)
    throw new CliError('Give at least one of --quorum, --strategy, --time-limit and --attempts.');
  await context.session(waiting, async ({ voting }) => {
    const { patience } = context;
    if (strategy !== undefined) await voting.setStrategy(strategy, params, patience);
    if (quorum !== undefined) await voting.setQuorum(quorum, patience);
    if (timeLimit !== undefined) await voting.setTimeLimit(timeLimit, patience);
    if (attempts !== undefined) await voting.setAttempts(attempts, patience);
  });
  await showSettings(context);
}

export interface ConfigurationOptions {
  readonly strategy: string;
  readonly params?: string;
  readonly timeLimit: number;
  readonly quorum?: number;
  readonly attempts?: number;
  readonly device?: readonly string[];
  readonly category?: string;
}

export async function addConfiguration(context: Context, name: string, options: ConfigurationOptions): Promise<void> {
  const { strategy, params, timeLimit, quorum, attempts, device, category } = options;
  const fields = {
    name,
    strategy,
    strategy_params: params,
    timeLimit,
    quorumSize: quorum,
    numberOfAttempts: attempts,
    deviceIdentifiers: device,
    category,
  };
  const { body } = await context.session(waiting, ({ voting }) => voting.configure(fields, context.patience));
  context.terminal.result(body, body.name);
}

export async function listConfigurations(context: Context, { page, perPage }: PageOptions): Promise<void> {
  await context.session(asking, async ({ voting }) => {
    const found = await voting.configurations({ page, perPage });
    const rows = found.items.map(({ name, strategy, strategy_params, timeLimit, quorumSize, category }) => [
      name,
      strategy_params === null ? strategy : `${strategy} ${strategy_params}`,
      `${timeLimit} s`,
      quorumSize === null ? '-' : String(quorumSize),
      category ?? '-',
    ]);
    const text = rows.length === 0 ? '' : table(['NAME', 'STRATEGY', 'TIME LIMIT', 'QUORUM', 'CATEGORY'], rows);
    context.terminal.result(found, text);
  });
}

export async function removeConfiguration(context: Context, name: string): Promise<void> {
  const { body } = await context.session(waiting, ({ voting }) => voting.removeConfiguration(name, context.patience));
  context.terminal.result(body, body.name);
}

export interface QuestionOptions {
  readonly configuration: string;
  readonly title: string;
}

/** Puts a question to the authenticators. */
export async function ask(
  context: Context,
  question: string,
  { configuration, title }: QuestionOptions,
): Promise<void> {
  const { body } = await context.session(waiting, ({ voting }) =>
    voting.ask({ votingConfigurationId: configuration, title, question }, context.patience),
  );
  context.terminal.result(body, body.poolId);
  context.terminal.hint(`See what comes of it with: symbolon voting pool ${body.poolId}`);
}

export async function showPool(context: Context, poolId: string): Promise<void> {
  const pool = await context.session(asking, ({ voting }) => voting.pool(poolId));
  context.terminal.result(pool, describe(pool));
}

export async function cancelPool(context: Context, poolId: string): Promise<void> {
  const { body } = await context.session(waiting, ({ voting }) => voting.cancel(poolId, context.patience));
  context.terminal.result(body, body.poolId);
}

function describe(pool: Pool): string {
  const { title, question, status, reason, yes, no, pending, ballotsIssued, attempt, maxAttempts, expiresAt } = pool;
  const rows = [
    ['status', reason === null ? status : `${status} (${reason})`],
    ['votes', `${yes} yes, ${no} no, ${pending} pending of ${ballotsIssued}`],
    ['attempt', `${attempt} of ${maxAttempts}`],
    ['until', expiresAt],
    ...(pool.nextPoolId ? [['next', pool.nextPoolId]] : []),
  ];
  return `${title}\n${question}\n\n${table(['POOL', pool.poolId], rows)}`;
}
