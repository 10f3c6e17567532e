import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort, password } from '@symbolon/testing';

const root = join(__dirname, '../../..');

/** Bundles the programs as `npm start` does, so that the tests run what a user runs. `npm test` has done so already. */
export function buildPrograms(): void {
  if (process.env['SYMBOLON_PROGRAMS_BUILT']) return;
  execFileSync(process.execPath, [join(root, 'tools/build.mjs'), 'standalone', 'device-agent', 'cli'], {
    stdio: 'pipe',
    timeout: 120_000,
  });
}

/** Longer than anything here may take on a busy machine; what hangs fails with a sentence instead. */
const patienceMillis = 60_000;

/** Resolves when `line` says so; rejects when the process ends before, or says nothing of the kind in time. */
function saysReady(child: ChildProcess, name: string, isReady: (line: string) => boolean): Promise<void> {
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  return new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => {
      reject(new Error(`${name} did not get ready in time: ${said}`));
      child.kill('SIGKILL');
    }, patienceMillis);
    createInterface({ input: child.stdout! }).on('line', (line) => {
      said += `${line}\n`;
      if (!isReady(line)) return;
      clearTimeout(late);
      resolve();
    });
    child.once('exit', (code) => {
      clearTimeout(late);
      reject(new Error(`${name} ended with ${code}: ${said}`));
    });
  });
}

/** Ends a process; one that does not heed the signal is killed, and that is a fault. */
async function end(child: ChildProcess | null, signal: NodeJS.Signals, name: string): Promise<number | null> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
  const exited = once(child, 'exit');
  child.kill(signal);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill('SIGKILL');
  }, patienceMillis);
  const [code] = (await exited.finally(() => clearTimeout(timer))) as [number | null];
  if (late) throw new Error(`${name} did not heed ${signal}`);
  return code;
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'symbolon-e2e-'));
  // PostgreSQL runs as another user where the tests run as root, and must be able to pass.
  chmodSync(folder, 0o711);
  return folder;
}

const cheap = {
  SYMBOLON_ARGON2_MEMORY_KIB: '19456',
  SYMBOLON_ARGON2_ITERATIONS: '2',
  SYMBOLON_ARGON2_PARALLELISM: '1',
  SYMBOLON_RATE_ADDRESS_PER_MINUTE: '0',
  SYMBOLON_RATE_TOKEN_PER_MINUTE: '0',
  SYMBOLON_METRICS_LISTEN: '127.0.0.1:0',
  SYMBOLON_LOG_LEVEL: 'warn',
};

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: any;
}

/** A server in a process of its own, which can be killed and started again on what it left. */
export class ServerProcess {
  private child: ChildProcess | null = null;
  /** All that it wrote. */
  output = '';

  private constructor(
    readonly port: number,
    readonly dataDir: string,
    private readonly environment: Record<string, string>,
    private readonly args: readonly string[],
  ) {}

  static async create(
    environment: Record<string, string> = {},
    args: readonly string[] = ['--no-tour'],
  ): Promise<ServerProcess> {
    return new ServerProcess(await freePort(), temporaryFolder(), environment, args);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.child!.pid!;
  }

  /** Resolves when it says that it is ready. */
  async start(...more: string[]): Promise<void> {
    const args = ['--port', String(this.port), '--data-dir', this.dataDir, ...this.args, ...more];
    const child = spawn(process.execPath, [join(root, 'dist/apps/standalone/main.cjs'), ...args], {
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...cheap, ...this.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    child.stderr.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    child.stdout.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    await saysReady(child, 'the server', (line) => line.startsWith('Symbolon is ready'));
  }

  kill(signal: NodeJS.Signals): Promise<number | null> {
    return end(this.child, signal, 'the server');
  }

  async stop(): Promise<void> {
    await this.kill('SIGTERM');
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  async call(
    method: string,
    path: string,
    fields?: object,
    token?: string,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const answer = await fetch(new URL(path, this.url), {
      method,
      headers: {
        ...(fields ? { 'content-type': 'application/json' } : {}),
        ...(token ? { 'x-dpt-authorization': token } : {}),
        ...headers,
      },
      body: fields ? JSON.stringify(fields) : null,
      signal: AbortSignal.timeout(patienceMillis),
    });
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, body: text === '' ? null : JSON.parse(text) };
  }

  /** A command, waited for; throws unless it succeeded. */
  async done(path: string, fields: object, token?: string): Promise<any> {
    const { status, body } = await this.call('POST', path, fields, token, { prefer: 'wait=30' });
    if (status !== 200 || body.status !== 'succeeded')
      throw new Error(`${path} ended as ${status} ${JSON.stringify(body)}`);
    return body;
  }

  /** A profile with a key, signed in. */
  async profile(username: string): Promise<string> {
    await this.done('/profile/register-profile', { username, password });
    const { body } = await this.call('POST', '/profile/authenticate', { username, password });
    const token = body.authorizationToken as string;
    const { publicKey } = (await this.call('GET', '/public-key/generate-keys', undefined, token)).body;
    await this.done('/public-key/register-public-key', { publicKey }, token);
    return token;
  }

  /** An approved device whose agent's directory is ready. */
  async device(token: string, dir: string): Promise<string> {
    const { commandId } = await this.done('/device/request-unique-identifier', { deviceName: 'attic' }, token);
    const { body: login } = await this.call('POST', '/device/retrieve-unique-identifier', { id: commandId }, token);
    await this.done('/device/approve-device', { deviceIdentifier: login.deviceIdentifier }, token);
    const path = `/device/retrieve-device-configuration/${login.deviceIdentifier}`;
    const { body: configuration } = await this.call('GET', path, undefined, token);
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const write = (name: string, value: object) =>
      writeFileSync(join(dir, name), JSON.stringify(value), { mode: 0o600 });
    write('device.json', configuration);
    write('login.json', { url: this.url, username: login.username, password: login.password });
    return login.deviceIdentifier;
  }
}

/** A device agent in a process of its own. */
export class AgentRun {
  private child: ChildProcess | null = null;
  /** How many objects it held when it was ready. */
  objects: number | null = null;

  /** `args` are those of the program, beside the directory. */
  constructor(
    readonly dir: string,
    private readonly args: readonly string[] = [],
  ) {}

  async start(): Promise<void> {
    const child = spawn(
      process.execPath,
      [join(root, 'dist/apps/device-agent/main.cjs'), 'run', '--dir', this.dir, '--json', ...this.args],
      {
        env: { PATH: process.env['PATH'], HOME: process.env['HOME'] },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    this.child = child;
    await saysReady(child, 'the agent', (line) => {
      const { event, objects } = JSON.parse(line) as { event: string; objects?: number };
      if (event === 'ready') this.objects = objects ?? null;
      return event === 'ready';
    });
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    await end(this.child, signal, 'the agent');
  }
}

/** The command line, as a user runs it. Answers what it wrote and its exit code. */
export async function symbolon(
  args: readonly string[],
  environment: Record<string, string>,
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const child = spawn(process.execPath, [join(root, 'dist/apps/cli/main.cjs'), ...args], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const late = setTimeout(() => child.kill('SIGKILL'), patienceMillis);
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream].on('data', (chunk: Buffer) => (said[stream] += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(late);
  return { code, ...said };
}
