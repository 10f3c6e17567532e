import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, openSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** Debian's wrapper of this program switches to a user of its own, whose files these are not. */
const program = '/usr/lib/rabbitmq/bin/rabbitmq-server';
const startMillis = 60_000;
const stopMillis = 20_000;

/**
 * A RabbitMQ of its own for tests: one node with the management plugin, on free ports of 127.0.0.1, with its own epmd,
 * cookie and data. It ends with `stop()`, and by itself when the process that started it is gone.
 */
export class TestBroker {
  private node: ChildProcess | null = null;
  private epmd: ChildProcess | null = null;
  private guardian: ChildProcess | null = null;

  private constructor(
    private readonly folder: string,
    private readonly ports: {
      readonly amqp: number;
      readonly management: number;
      readonly epmd: number;
      readonly distribution: number;
    },
    readonly user: string,
    readonly password: string,
  ) {}

  /** Resolves when the node takes connections and its management API answers. */
  static async start(): Promise<TestBroker> {
    if (!existsSync(program)) {
      throw new Error(
        'These tests need RabbitMQ: install it with `apt-get install rabbitmq-server`, then run them again.',
      );
    }
    const folder = await mkdtemp(join(tmpdir(), 'symbolon-rabbitmq-'));
    const [amqp, management, epmd, distribution] = await freePorts(4);
    const broker = new TestBroker(
      folder,
      { amqp: amqp!, management: management!, epmd: epmd!, distribution: distribution! },
      'operator',
      randomBytes(12).toString('hex'),
    );
    await broker.configure();
    try {
      await broker.begin();
    } catch (error) {
      await broker.stop();
      throw error;
    }
    return broker;
  }

  /** For `SYMBOLON_RABBITMQ_URL`; without a vhost. */
  get url(): string {
    return `amqp://${this.user}:${this.password}@127.0.0.1:${this.ports.amqp}`;
  }

  get managementUrl(): string {
    return `http://127.0.0.1:${this.ports.management}`;
  }

  get port(): number {
    return this.ports.amqp;
  }

  /** The settings of a server that uses this broker. */
  get environment(): { SYMBOLON_RABBITMQ_URL: string; SYMBOLON_RABBITMQ_MANAGEMENT_URL: string } {
    return { SYMBOLON_RABBITMQ_URL: this.url, SYMBOLON_RABBITMQ_MANAGEMENT_URL: this.managementUrl };
  }

  /** Calls the management API as the operator; answers the body, or null where there is none (404). */
  async manage(method: string, path: string, body?: object): Promise<any> {
    const answer = await fetch(`${this.managementUrl}/api${path}`, {
      method,
      headers: {
        authorization: `Basic ${Buffer.from(`${this.user}:${this.password}`).toString('base64')}`,
        'content-type': 'application/json',
      },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await answer.text();
    if (answer.status === 404) return null;
    if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status} ${text}`);
    return text === '' ? {} : JSON.parse(text);
  }

  /** The node goes away; its data stay for `begin()`. */
  async halt(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const { node } = this;
    this.node = null;
    if (node) await end(node, signal);
  }

  /** Starts the node, again on the same ports and data. */
  async begin(): Promise<void> {
    this.epmd ??= this.run(this.epmdProgram(), ['-port', String(this.ports.epmd), '-address', '127.0.0.1']);
    this.node = this.run(program, []);
    this.guard();
    const deadline = Date.now() + startMillis;
    while (!(await this.answers())) {
      if (this.node.exitCode !== null || Date.now() > deadline) {
        const log = await readFile(join(this.folder, 'output'), 'utf8').catch(() => '');
        throw new Error(`RabbitMQ did not start: ${log.slice(-2000)}`);
      }
      await delay(100);
    }
  }

  /** Ends everything that was started and deletes its data. */
  async stop(): Promise<void> {
    await this.halt('SIGKILL');
    const { epmd } = this;
    this.epmd = null;
    if (epmd) await end(epmd, 'SIGKILL');
    this.guardian?.stdin?.end('spared\n');
    this.guardian = null;
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  private async configure(): Promise<void> {
    const { folder, ports, user, password } = this;
    await mkdir(join(folder, 'home'), { mode: 0o700 });
    await writeFile(join(folder, 'home', '.erlang.cookie'), randomBytes(16).toString('hex'), { mode: 0o400 });
    await writeFile(join(folder, 'plugins'), '[rabbitmq_management].\n');
    await writeFile(
      join(folder, 'rabbitmq.conf'),
      [
        `listeners.tcp.1 = 127.0.0.1:${ports.amqp}`,
        'management.tcp.ip = 127.0.0.1',
        `management.tcp.port = ${ports.management}`,
        `default_user = ${user}`,
        `default_pass = ${password}`,
        'collect_statistics_interval = 200',
        'disk_free_limit.absolute = 1MB',
        'log.console = true',
        'log.console.level = error',
        'log.file = false',
        '',
      ].join('\n'),
    );
  }

  private async answers(): Promise<boolean> {
    try {
      return (await this.manage('GET', '/aliveness-test/%2F'))?.status === 'ok';
    } catch {
      return false;
    }
  }

  private run(file: string, args: readonly string[]): ChildProcess {
    const { folder, ports } = this;
    const output = openSync(join(folder, 'output'), 'a');
    try {
      const child = spawn(file, args, {
        cwd: folder,
        detached: true,
        stdio: ['ignore', output, output],
        env: {
          PATH: process.env['PATH'],
          LANG: 'C.UTF-8',
          HOME: join(folder, 'home'),
          ERL_EPMD_PORT: String(ports.epmd),
          ERL_EPMD_ADDRESS: '127.0.0.1',
          // The script becomes the node instead of watching over it.
          RUNNING_UNDER_SYSTEMD: '1',
          RABBITMQ_NODENAME: `symbolon_${ports.amqp}@localhost`,
          RABBITMQ_NODE_PORT: String(ports.amqp),
          RABBITMQ_DIST_PORT: String(ports.distribution),
          RABBITMQ_BASE: folder,
          RABBITMQ_MNESIA_BASE: join(folder, 'data'),
          RABBITMQ_LOG_BASE: join(folder, 'log'),
          RABBITMQ_PID_FILE: join(folder, 'pid'),
          RABBITMQ_CONF_ENV_FILE: join(folder, 'no-environment'),
          RABBITMQ_CONFIG_FILE: join(folder, 'rabbitmq'),
          RABBITMQ_ADVANCED_CONFIG_FILE: join(folder, 'advanced'),
          RABBITMQ_GENERATED_CONFIG_DIR: join(folder, 'generated'),
          RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'plugins'),
          RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none',
        },
      });
      child.on('error', () => undefined);
      child.unref();
      return child;
    } finally {
      closeSync(output);
    }
  }

  private epmdProgram(): string {
    return existsSync('/usr/bin/epmd') ? '/usr/bin/epmd' : 'epmd';
  }

  /** Ends node and epmd when this process is gone, however it went: the end of the pipe is the sign. */
  private guard(): void {
    this.guardian?.stdin?.end('spared\n');
    const script = 'read -r spared && exit; kill -KILL "$1" "$2"; sleep 1; rm -rf "$3"';
    const args = ['-c', script, 'guard', String(this.node?.pid), String(this.epmd?.pid), this.folder];
    this.guardian = spawn('/bin/sh', args, { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
    this.guardian.on('error', () => undefined);
    this.guardian.stdin?.on('error', () => undefined);
    this.guardian.unref();
    (this.guardian.stdin as unknown as { unref?(): void } | null)?.unref?.();
  }
}

async function end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.ref();
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), stopMillis);
  await gone;
  clearTimeout(timer);
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
