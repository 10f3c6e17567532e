import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { connect, ProfileKeys, registerProfile } from '@symbolon/sdk';

const apps = join(__dirname, '../apps');
const [username, password] = ['bench@example.org', 'tall green walnut tree'];

/** The built server and one storage device, each as it is started for real, without rate limits. */
export class Vault {
  private constructor(
    readonly port: number,
    public server: ChildProcess,
    readonly agent: ChildProcess,
    /** An authorization token of the profile that owns the device. */
    readonly token: string,
    readonly keys: Uint8Array,
    private readonly startServer: () => ChildProcess,
  ) {}

  static async start(dir: string, databaseUrl: string): Promise<Vault> {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const args = [...profiling(), '--enable-source-maps', join(apps, 'standalone/main.cjs'), '--no-tour'];
    const { SYMBOLON_BENCH_PROFILE: _, ...own } = process.env;
    const env = {
      ...own,
      DATABASE_URL: databaseUrl,
      SYMBOLON_METRICS_LISTEN: `127.0.0.1:${await freePort()}`,
      SYMBOLON_RATE_TOKEN_PER_MINUTE: '0',
      SYMBOLON_RATE_ADDRESS_PER_MINUTE: '0',
      SYMBOLON_LOG_LEVEL: 'warn',
    };
    const startServer = () =>
      spawn(process.execPath, [...args, '--port', String(port), '--data-dir', join(dir, 'server')], {
        stdio: ['ignore', 'pipe', 'inherit'],
        env,
      });
    const server = startServer();
    await line(server, ready);
    await registerProfile({ url, username, password, channel: false });
    const session = await connect({ url, username, password, channel: false });
    const keys = await ProfileKeys.generate();
    await session.registerKeys(keys);

    const home = join(dir, 'agent');
    await mkdir(home, { mode: 0o700 });
    const requested = await session.devices.add('bench');
    const { deviceIdentifier } = requested.body;
    const login = await session.devices.login(requested.commandId);
    await writeFile(join(home, 'login.json'), JSON.stringify({ url, ...login }), { mode: 0o600 });
    await session.devices.approve(deviceIdentifier);
    const configuration = await session.devices.configuration(deviceIdentifier);
    await writeFile(join(home, 'device.json'), JSON.stringify(configuration), { mode: 0o600 });
    const agent = spawn(
      process.execPath,
      [...profiling(), join(apps, 'device-agent/main.cjs'), 'run', '--dir', home, '--json'],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    await line(agent, (text) => text.includes('"ready"'));
    for (let left = 100; !(await session.registeredKey(deviceIdentifier)); left--) {
      if (left === 0) throw new Error('the device has not registered its key');
      await delay(100);
    }
    await session.storage.register(deviceIdentifier);
    return new Vault(port, server, agent, session.token!, keys.toBytes(), startServer);
  }

  /** Stops the server and starts it again on the same data; answers the seconds from the start until it is ready. */
  async restart(): Promise<number> {
    await ended(this.server);
    const begun = performance.now();
    this.server = this.startServer();
    await line(this.server, ready);
    return (performance.now() - begun) / 1000;
  }

  async stop(): Promise<void> {
    for (const child of [this.agent, this.server]) await ended(child);
  }
}

const ready = (text: string) => text.startsWith('Symbolon is ready');

/** `SYMBOLON_BENCH_PROFILE=DIR`: server and device leave processor profiles there. */
function profiling(): string[] {
  const dir = process.env['SYMBOLON_BENCH_PROFILE'];
  return dir === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${resolve(dir)}`];
}

/** Resolves with the first line of the child's output that is wanted; reads on, so that it is never held up. */
export function line(child: ChildProcess, wanted: (text: string) => boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout! }).on('line', (text) => {
      if (wanted(text)) resolve(text);
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${child.spawnargs.join(' ')} ended with code ${code}`)));
  });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  const force = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await exit;
  clearTimeout(force);
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
