import { spawn } from 'node:child_process';
import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { exits } from '@symbolon/contracts';
import type { Context } from './context';
import { homeDirectory } from './credentials';
import { enableIn } from './device';
import { CliError, failureOf } from './failure';
import type { Surroundings } from './terminal';

/** The other programs lie beside this one. */
function programPath(name: 'standalone' | 'device-agent'): string {
  return join(__dirname, '..', name, 'main.cjs');
}

/** Settings of this program, two of them secret, that are none of the others'. */
const own = ['SYMBOLON_URL', 'SYMBOLON_HOME', 'SYMBOLON_PASSWORD', 'SYMBOLON_PASSPHRASE'];

/** Runs another program of Symbolon in the foreground; resolves with its exit code. `aborted` ends it by SIGTERM. */
export async function runProgram(
  name: 'standalone' | 'device-agent',
  args: readonly string[],
  { env }: Surroundings,
  ending?: AbortSignal,
): Promise<number> {
  const program = programPath(name);
  if (!(await stat(program).catch(() => null))) {
    throw new CliError(`${program} is not built. Build it with \`npm run build\`.`, exits.unexpected, 'not_built');
  }
  const child = spawn(process.execPath, ['--enable-source-maps', program, ...args], {
    stdio: 'inherit',
    env: Object.fromEntries(Object.entries(env).filter(([name]) => !own.includes(name))),
  });
  const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
  const end = (): void => pass('SIGTERM');
  process.on('SIGINT', pass).on('SIGTERM', pass);
  ending?.addEventListener('abort', end, { once: true });
  try {
    return await new Promise((done, fail) => {
      child.once('error', fail);
      child.once('exit', (code, signal) => done(code ?? (signal === 'SIGINT' ? exits.interrupted : exits.unexpected)));
    });
  } finally {
    process.off('SIGINT', pass).off('SIGTERM', pass);
    ending?.removeEventListener('abort', end);
  }
}

export interface UpOptions {
  readonly port?: string;
  readonly dataDir?: string;
  readonly tour: boolean;
  readonly tourFile?: string;
  readonly reset?: boolean;
}

/** The server's own arguments. */
export function serverArguments({ port, dataDir, tour, tourFile, reset }: UpOptions): string[] {
  return [
    ...(port === undefined ? [] : ['--port', port]),
    ...(dataDir === undefined ? [] : ['--data-dir', dataDir]),
    ...(tour ? [] : ['--no-tour']),
    ...(tourFile === undefined ? [] : ['--tour-file', tourFile]),
    ...(reset ? ['--reset'] : []),
  ];
}

export interface OperatorOptions {
  readonly dataDir?: string;
  readonly category?: readonly string[];
  readonly lines?: number;
  readonly follow?: boolean;
  readonly backedUp?: boolean;
  readonly output?: string;
  readonly file?: string;
  readonly serverKey?: readonly string[];
  readonly deviceKey?: readonly string[];
}

/** The arguments of an operator's verb, which the server's program runs on its own database and key ring. */
export function operatorArguments(words: readonly string[], options: OperatorOptions, json: boolean): string[] {
  const { dataDir, category = [], lines, follow, backedUp, output, file, serverKey = [], deviceKey = [] } = options;
  return [
    'operate',
    ...words,
    ...(dataDir === undefined ? [] : ['--data-dir', dataDir]),
    ...category.flatMap((name) => ['--category', name]),
    ...(lines === undefined ? [] : ['--lines', String(lines)]),
    ...(follow ? ['--follow'] : []),
    ...(backedUp ? ['--backed-up'] : []),
    ...(output === undefined ? [] : ['--output', output]),
    ...(file === undefined ? [] : ['--file', file]),
    ...serverKey.flatMap((key) => ['--server-key', key]),
    ...deviceKey.flatMap((key) => ['--device-key', key]),
    ...(json ? ['--json'] : []),
  ];
}

export interface DeviceRunOptions {
  readonly dir?: string;
  readonly config?: string;
  readonly storage?: boolean;
  readonly authenticator?: boolean;
  /** What the device does: `storage`, `authenticator`, or both with a comma between. */
  readonly role?: string;
  readonly rules?: string;
  readonly carrier?: 'websocket' | 'rabbitmq';
  readonly pairAnew?: boolean;
}

/**
 * Runs a device in the foreground; with `storage` or `authenticator` its owner, who is signed in here, gives it that
 * role at the server.
 */
export async function runDevice(context: Context, options: DeviceRunOptions): Promise<number> {
  const { terminal } = context;
  const dir = await directoryOf(terminal.surroundings, options);
  const given = (['storage', 'authenticator'] as const).filter((role) => options[role]);
  const roles = options.role ?? (given.length > 0 ? given.join(',') : 'storage');
  const args = [
    'run',
    '--dir',
    dir,
    '--role',
    roles,
    ...(options.rules === undefined ? [] : ['--rules', options.rules]),
    ...(terminal.json ? ['--json'] : []),
    ...(options.carrier ? ['--carrier', options.carrier] : []),
    ...(options.pairAnew ? ['--pair-anew'] : []),
  ];
  if (given.length === 0) return runProgram('device-agent', args, terminal.surroundings);
  if (options.rules !== undefined) {
    // Before the device gets its role: one that does not start would only be missing at every vote.
    const usable = await runProgram('device-agent', ['check', '--rules', options.rules], terminal.surroundings);
    if (usable !== exits.ok) return usable;
  }

  const deviceIdentifier = await identifierIn(dir);
  await context.login();
  const ending = new AbortController();
  let failed: number | null = null;
  const enabling = context
    .session({ channel: true }, async (session) => {
      for (const role of given) {
        await enableIn(session, context, deviceIdentifier, role);
        terminal.hint(`The device is ${names[role]} of the profile.`);
      }
    })
    .catch((error: unknown) => {
      if (ending.signal.aborted || context.signal.aborted) return;
      const { message, exit } = failureOf(error);
      terminal.hint(`The device cannot be given its role. ${message}`);
      failed = exit;
      ending.abort();
    });
  const code = await runProgram('device-agent', args, terminal.surroundings, ending.signal);
  if (failed !== null) {
    await enabling;
    return failed;
  }
  ending.abort();
  return code;
}

const names = { storage: 'a storage device', authenticator: 'an authenticator' } as const;

/** The directory named, or the only one that the program keeps. */
async function directoryOf({ env }: Surroundings, { dir, config }: DeviceRunOptions): Promise<string> {
  if (dir && config) throw new CliError('Give either --dir or --config.');
  if (dir) return resolve(dir);
  if (config) return resolve(dirname(config));
  const kept = join(homeDirectory(env), 'devices');
  const names = await readdir(kept).catch(() => []);
  const [only] = names;
  if (only && names.length === 1) return join(kept, only);
  throw new CliError(
    names.length === 0
      ? 'There is no device here. Add one with `symbolon device add NAME`, or name its directory with --dir.'
      : `There are several devices in ${kept}: name one with --dir.`,
  );
}

async function identifierIn(dir: string): Promise<string> {
  const file = join(dir, 'device.json');
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    throw new CliError(`There is no ${file}: approve the device with \`symbolon device approve ID --dir ${dir}\`.`);
  });
  try {
    const identifier = (JSON.parse(text) as Record<string, unknown>)['device-identifier'];
    if (typeof identifier === 'string') return identifier;
  } catch {
    // Said below, as for any other content.
  }
  throw new CliError(`${file} is no device configuration.`);
}
