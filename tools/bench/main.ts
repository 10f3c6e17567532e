import { execFile, spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { startEmbeddedPostgres, type PostgresServer } from '@symbolon/embedded-postgres';
import { Client } from 'pg';
import type { AppendTask } from './append-load';
import type { FileAnswer, FileTask } from './file-load';
import { type Measured, median, rate } from './figures';
import type { HttpTask } from './http-load';
import { batch } from './batch';
import { login } from './login';
import { million } from './million';
import { Part } from './part';
import { cpuOf, cpuOfFamily, forgetPeak, memoryOf } from './processes';
import { type Aim, figure, inMarkdown, met, type Section, surroundings } from './report';
import { freePort, line, Vault } from './vault';
import { votes } from './votes';

const root = join(__dirname, '../..');

/** What is started for the benchmarks, once each and as late as possible, and stopped in the reverse order. */
class Bench {
  private readonly stops: Array<() => Promise<unknown>> = [];
  private readonly vaults = new Map<string, Vault>();

  private constructor(
    readonly dir: string,
    readonly postgres: PostgresServer,
  ) {}

  static async start(): Promise<Bench> {
    const dir = await mkdtemp(join(tmpdir(), 'symbolon-bench-'));
    // Started by root, PostgreSQL runs as another user, who must be able to pass.
    await chmod(dir, 0o711);
    // As in production: every commit waits for the disk.
    const postgres = await startEmbeddedPostgres({ dataDir: join(dir, 'postgres') });
    const bench = new Bench(dir, postgres);
    bench.stops.push(
      () => rm(dir, { recursive: true, force: true }),
      () => postgres.stop(),
    );
    return bench;
  }

  async database(name: string): Promise<string> {
    await this.query(`create database ${name}`);
    const url = new URL(this.postgres.url);
    url.pathname = `/${name}`;
    return url.href;
  }

  async query<R>(sql: string): Promise<R[]> {
    const client = new Client({ connectionString: this.postgres.url });
    await client.connect();
    try {
      return (await client.query(sql)).rows as R[];
    } finally {
      await client.end();
    }
  }

  part(name: string, env: Record<string, string> = {}): Part {
    const part = Part.start(name, env);
    this.stops.push(() => part.stop());
    return part;
  }

  /** A server with a device; one of its own where its memory is to be measured. */
  async vault(name = 'vault'): Promise<Vault> {
    const known = this.vaults.get(name);
    if (known) return known;
    say('Starting the server and a device …');
    const dir = join(this.dir, name);
    await mkdir(dir);
    const vault = await Vault.start(dir, await this.database(name));
    this.stops.push(() => vault.stop());
    this.vaults.set(name, vault);
    return vault;
  }

  async stop(): Promise<void> {
    for (const stop of this.stops.reverse()) await stop().catch(() => undefined);
  }
}

const repeat = (times: number) => Array.from({ length: times }, (_, n) => n);

async function appends(bench: Bench): Promise<Section> {
  const databaseUrl = await bench.database('appends');
  const part = bench.part('append-load', { BENCH_DATABASE: databaseUrl });
  const levels = [1, 16, 64];
  const measured = new Map<string, number[]>();
  for (const round of repeat(6)) {
    for (const clients of levels) {
      for (const what of ['append', 'insert'] as const) {
        // The first round warms up.
        const task: AppendTask = { what, clients, seconds: round === 0 ? 0.5 : 1.5 };
        const found = await part.ask<Measured>(task);
        if (round > 0) note(measured, `${what} ${clients}`, rate(found));
      }
    }
  }
  await part.stop();
  const of = (what: string, clients: number) => median(measured.get(`${what} ${clients}`) ?? []);
  const ratio = (clients: number) => of('append', clients) / of('insert', clients);
  return {
    title: 'Appends to the event log',
    how: 'Every append makes a stream of its own with one event of 300 bytes and is durable when it is answered. The reference: the same bytes by prepared single-row INSERTs, each client on a connection of its own. Both from one process on the same PostgreSQL with fsync; medians of 5 interleaved rounds of 1.5 s.',
    columns: ['clients', 'appends/s', 'INSERTs/s', 'ratio'],
    rows: levels.map((clients) => [String(clients), of('append', clients), of('insert', clients), ratio(clients)]),
    aims: [{ what: 'appends against INSERTs at 64 clients', value: ratio(64), atLeast: 0.8 }],
  };
}

async function commands(bench: Bench): Promise<Section> {
  const vault = await bench.vault();
  const reference = bench.part('insert-server', { BENCH_DATABASE: await bench.database('inserts') });
  const referencePort = await reference.ask<number>({});
  const load = bench.part('http-load');
  const postgres = (await bench.postgres.pid()) ?? 0;
  const levels = [1, 8, 32];
  const rounds = new Map<string, Measured[]>();
  const shares = new Map<string, number[]>();
  for (const round of repeat(5)) {
    for (const clients of levels) {
      for (const what of ['reserve', 'insert'] as const) {
        const server =
          what === 'reserve'
            ? { pid: vault.server.pid ?? 0, port: vault.port }
            : { pid: reference.pid, port: referencePort };
        const before = [cpuOf(server.pid), cpuOfFamily(postgres)];
        const task: HttpTask = { what, clients, seconds: round === 0 ? 1.5 : 3, port: server.port, token: vault.token };
        const found = await load.ask<Measured>(task);
        const after = [cpuOf(server.pid), cpuOfFamily(postgres)];
        if (round === 0) continue;
        rounds.set(`${what} ${clients}`, [...(rounds.get(`${what} ${clients}`) ?? []), found]);
        if (clients !== 32) continue;
        for (const [index, name] of ['server', 'postgres'].entries())
          note(shares, `${what} ${name}`, (((after[index] ?? NaN) - (before[index] ?? NaN)) / found.done) * 1e6);
        note(shares, `${what} client`, (found.cpu / found.done) * 1e6);
      }
    }
  }
  await Promise.all([load.stop(), reference.stop()]);
  const of = (what: string, clients: number, value: (one: Measured) => number) =>
    median((rounds.get(`${what} ${clients}`) ?? []).map(value));
  const ratio = (clients: number) => of('reserve', clients, rate) / of('insert', clients, rate);
  const share = (what: string) =>
    ['client', 'server', 'postgres']
      .map(
        (name) => `${name === 'postgres' ? 'PostgreSQL' : name} ${figure(median(shares.get(`${what} ${name}`) ?? []))}`,
      )
      .join(', ');
  return {
    title: 'Settled commands',
    how: `Row 23 (reserve a token) with \`Prefer: wait\`: each answer is the final status, and every read shows the effect. The reference: a bare Fastify with one route that does one INSERT, on the same PostgreSQL, asked by the same client. Client, server and PostgreSQL share the processors. Medians of 4 interleaved rounds of 3 s. Processor time per operation at 32 clients in microseconds: command: ${share('reserve')}; INSERT: ${share('insert')}.`,
    columns: ['clients', 'commands/s', 'p50 ms', 'p99 ms', 'INSERT requests/s', 'p50 ms', 'p99 ms', 'ratio'],
    rows: levels.map((clients) => [
      String(clients),
      ...(['reserve', 'insert'] as const).flatMap((what) => [
        of(what, clients, rate),
        of(what, clients, ({ p50 }) => p50),
        of(what, clients, ({ p99 }) => p99),
      ]),
      ratio(clients),
    ]),
    aims: [{ what: 'settled commands against INSERT requests at 32 clients', value: ratio(32), atLeast: 1 }],
  };
}

async function exchange(bench: Bench): Promise<Section> {
  const vault = await bench.vault();
  const load = bench.part('http-load');
  const rows: Array<Array<string | number>> = [];
  for (const [clients, count] of [
    [1, 400],
    [16, 2000],
  ] as const) {
    const target = { port: vault.port, token: vault.token };
    const tokens = await load.ask<string[]>({ ...target, what: 'tokens', clients: 16, count } satisfies HttpTask);
    const task: HttpTask = { ...target, what: 'exchange', clients, seconds: 6, tokens, size: 1024 };
    const { measured, exchanged } = await load.ask<{ measured: Measured; exchanged: string[] }>(task);
    const fetched = await load.ask<Measured>({
      ...target,
      what: 'fetch',
      clients,
      seconds: 6,
      tokens: exchanged,
    } satisfies HttpTask);
    rows.push([String(clients), ...[measured, fetched].flatMap((one) => [rate(one), one.p50, one.p99])]);
  }
  await load.stop();
  return {
    title: 'Data to a device and back',
    how: 'One storage device in a process of its own. Exchange: row 25 with 1 KiB of data until the device has written it durably and its signed acknowledgement has ended the command. Request: row 27 until the data is ready, then the download. At most 6 s each.',
    columns: ['clients', 'exchanged/s', 'p50 ms', 'p99 ms', 'requested and downloaded/s', 'p50 ms', 'p99 ms'],
    rows,
    aims: [],
  };
}

async function file(bench: Bench): Promise<Section> {
  const vault = await bench.vault('files');
  const size = 2 ** 30;
  const mib = size / 2 ** 20;
  const aesPass = async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [
      join(root, 'tools/bench/aes-pass.mjs'),
      String(size),
    ]);
    return Number(stdout);
  };
  const processes = { server: vault.server.pid ?? 0, agent: vault.agent.pid ?? 0 };
  await delay(3000);
  const idle = { server: memoryOf(processes.server)?.now ?? NaN, agent: memoryOf(processes.agent)?.now ?? NaN };
  const passes = [await aesPass()];
  const rows: Array<Array<string | number>> = [];
  const speeds: number[] = [];
  const growths: number[] = [];
  const begun: Array<{
    what: string;
    seconds: number;
    cpu: readonly number[];
    growth: { server: number; agent: number };
  }> = [];
  const part = bench.part('file-load');
  const cpu = () => [part.pid, processes.server, processes.agent].map((pid) => cpuOf(pid) ?? NaN);
  let dataToken: string | undefined;
  for (const what of ['put raw', 'get raw', 'put sdk', 'get sdk'] as const) {
    forgetPeak(processes.server);
    forgetPeak(processes.agent);
    const keys = Buffer.from(vault.keys).toString('base64');
    const task: FileTask = {
      what,
      port: vault.port,
      token: vault.token,
      keys,
      size,
      ...(dataToken ? { dataToken } : {}),
    };
    const before = cpu();
    const found = await part.ask<FileAnswer>(task);
    const spent = cpu().map((now, index) => now - (before[index] ?? NaN));
    dataToken = found.dataToken;
    const growth = {
      server: (memoryOf(processes.server)?.peak ?? NaN) - idle.server,
      agent: (memoryOf(processes.agent)?.peak ?? NaN) - idle.agent,
    };
    begun.push({ what, seconds: found.seconds, cpu: spent, growth });
    passes.push(await aesPass());
  }
  await part.stop();
  const pass = median(passes);
  for (const { what, seconds, cpu, growth } of begun) {
    speeds.push(pass / seconds);
    growths.push(growth.server, growth.agent);
    const [way, path] = what.split(' ');
    rows.push([
      `${path === 'raw' ? 'API' : 'SDK'}, ${way === 'put' ? 'in' : 'out'}`,
      seconds,
      mib / seconds,
      pass / seconds,
      ...cpu,
      growth.server,
      growth.agent,
    ]);
  }
  return {
    title: 'One file of 1 GiB',
    how: `In: from the reservation until the device has acknowledged; out: from the request until the last byte was compared. API: the bytes as they are; SDK: sealed and opened by the client as well, with Node's cryptography as the command line does. The reference: one pass of AES-256-GCM over 1 GiB in pieces of 64 KiB, ${figure(pass)} s (${figure(mib / pass)} MiB/s, median of ${passes.length}). Processor time: that of the three processes. Memory: the peak of the resident set above what it was before the first transfer (server ${figure(idle.server)} MiB, agent ${figure(idle.agent)} MiB).`,
    columns: [
      'path',
      'seconds',
      'MiB/s',
      'of one AES pass',
      'client CPU s',
      'server CPU s',
      'agent CPU s',
      'server + MiB',
      'agent + MiB',
    ],
    rows,
    aims: [
      { what: 'slowest way against one AES pass', value: Math.min(...speeds), atLeast: 0.25 },
      { what: 'growth of resident memory', value: Math.max(...growths), atMost: 100, unit: 'MiB' },
    ],
  };
}

async function start(bench: Bench): Promise<Section> {
  const rows: Array<Array<string | number>> = [];
  const idle: number[] = [];
  const ready: number[] = [];
  for (const [name, times] of [
    ['a fresh data directory', 2],
    ['an existing data directory', 5],
  ] as const) {
    const found: number[] = [];
    const memory: number[] = [];
    for (const n of repeat(times)) {
      const dir = join(bench.dir, times === 2 ? `start-${n}` : 'start-0');
      const { seconds, resident } = await oneStart(dir, n === times - 1);
      found.push(seconds);
      if (resident !== null) memory.push(resident);
    }
    rows.push([name, median(found), Math.max(...found), median(memory)]);
    idle.push(...memory);
    ready.push(median(found));
  }
  return {
    title: 'Start',
    how: 'From `npm start -- --no-tour` (installed and built) until the line that says that the server is ready, with its own PostgreSQL; npm takes its part of that. Idle: the resident set of the server process 5 s later.',
    columns: ['with', 'median s', 'slowest s', 'idle MiB'],
    rows,
    aims: [
      { what: 'ready with an existing data directory', value: ready[1] ?? NaN, atMost: 3, unit: 's' },
      { what: 'idle resident memory', value: Math.max(...idle), atMost: 250, unit: 'MiB' },
    ],
  };
}

async function oneStart(dir: string, weigh: boolean): Promise<{ seconds: number; resident: number | null }> {
  await mkdir(dir, { recursive: true });
  const args = ['start', '--silent', '--', '--no-tour', '--port', String(await freePort()), '--data-dir', dir];
  const env = { ...process.env, SYMBOLON_METRICS_LISTEN: `127.0.0.1:${await freePort()}` };
  const begun = performance.now();
  const child = spawn('npm', args, {
    cwd: root,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
    shell: process.platform === 'win32',
  });
  await line(child, (text) => text.startsWith('Symbolon is ready'));
  const seconds = (performance.now() - begun) / 1000;
  const { pid } = JSON.parse(await readFile(join(dir, 'symbolon.lock'), 'utf8')) as { pid: number };
  if (weigh) await delay(5000);
  const resident = weigh ? (memoryOf(pid)?.now ?? null) : null;
  const exit = new Promise((resolve) => child.once('exit', resolve));
  process.kill(pid, 'SIGTERM');
  await exit;
  return { seconds, resident };
}

function note(into: Map<string, number[]>, name: string, value: number): void {
  into.set(name, [...(into.get(name) ?? []), value]);
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

const benchmarks = { appends, commands, exchange, batch, million, votes, login, file, start };

async function main(names: readonly string[]): Promise<number> {
  const all = Object.keys(benchmarks);
  const unknown = names.find((name) => !all.includes(name));
  if (unknown !== undefined) {
    say(`There is no benchmark "${unknown}". There are: ${all.join(', ')}.`);
    return 2;
  }
  const begun = performance.now();
  const bench = await Bench.start();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void bench.stop().then(() => process.exit(1)));
  }
  try {
    const [row] = await bench.query<{ version: string }>(
      `select 'PostgreSQL ' || current_setting('server_version') as version`,
    );
    const where = surroundings(row?.version ?? '');
    const sections: Section[] = [];
    for (const name of names.length > 0 ? names : all) {
      say(`Measuring ${name} …`);
      const section = await benchmarks[name as keyof typeof benchmarks](bench);
      process.stdout.write(`\n${inMarkdown(section)}\n`);
      sections.push(section);
    }
    const minutes = (performance.now() - begun) / 60_000;
    if (names.length === 0) await writeFile(join(root, 'docs/benchmarks.md'), page(where, sections, minutes));
    const missed = sections.flatMap(({ aims }) => aims).filter((aim: Aim) => !met(aim));
    say(
      `${figure(minutes)} minutes; ${missed.length === 0 ? 'every aim was met' : `not met: ${missed.map(({ what }) => what).join('; ')}`}.`,
    );
    return 0;
  } finally {
    await bench.stop();
  }
}

function page(where: string, sections: readonly Section[], minutes: number): string {
  return `# Benchmarks

Written by \`npm run bench\`, which starts everything itself, on loopback and in temporary folders, and takes ${figure(minutes)} minutes; \`npm run bench -- NAME…\` measures only those named (\`${Object.keys(benchmarks).join('`, `')}\`). Every ratio is against a reference measured in the same run, in turns with it. Client, server and PostgreSQL share the machine:

${where}

${sections.map(inMarkdown).join('\n')}
${bounds}`;
}

const bounds = `## What bounds these figures

**A command** is more than one INSERT: three durable appends one after the other (accepted and cleared, the effect, the end), four events, the token sealed and made findable, a deadline, and the rows of every read model that shows it; the personal part of each event is sealed under its subject's key. The end is recorded only when the read models have passed the effect, and the answer given when the status shows the end, so a command waits three times for the disk and three times for the followers of the log. Under load these are shared: statements of all callers are gathered while earlier ones are on their way, and at 32 clients there are one or two per command. What is left is the processor time of the one JavaScript thread of the server: sealing and opening, JSON, and the garbage of both. The reference needs about a twelfth of it.

**A file** passes AES-256-GCM four times (layer 2 and layer 3 in the server, layer 3 and the device's own sealing in the device), SHA-256 twice, and two disks, where it is synced before anything is acknowledged; the SDK adds a fifth pass and its own. An upload is complete and synced at the server before a device is told of it, so its two halves follow one another. Where client, server and device do not share two cores, they overlap.

**A batch** spares calls, not work: each value has a layer-2 key, a parcel that is synced, four events in three streams, an order that is sealed to the device and signed, a file that the device syncs, and a signed answer that is checked. The wire has no message for many objects at once. That is 2.8 ms of the server's one JavaScript thread and 1.3 ms of PostgreSQL per value, stored or requested, so 370 values/s use up the two cores; the aim of 10,000 would leave 0.1 ms.

**A vote** costs the server 16 ms of processor time for five authenticators: five ballots sealed and signed, five votes opened and checked twice (envelope and statement), a dozen appends. With 100 at once they share the thread, which is what the milliseconds above are made of.
`;

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    say(error instanceof Error ? (error.stack ?? error.message) : String(error));
    process.exit(1);
  },
);
