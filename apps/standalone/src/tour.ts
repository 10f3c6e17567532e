import { execFile } from 'node:child_process';
import {
  createReadStream,
  existsSync,
  readdirSync,
  statSync,
  writeFileSync,
  openSync,
  readSync,
  closeSync,
  mkdirSync,
  rmSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { INestApplicationContext } from '@nestjs/common';
import { mintSecret, Sha256Meter } from '@symbolon/crypto';
import { DataSource } from 'typeorm';
import { AgentProcess } from './agent-process';
import type { DataDirectory } from './data-directory';

export interface TourOptions {
  readonly directory: DataDirectory;
  readonly url: string;
  /** The file to exchange; one of the installation's own otherwise. */
  readonly file: string | null;
  readonly say: (text: string) => void;
  /** For a look at what the server holds. */
  readonly inspect: INestApplicationContext;
}

/** A step of the tour failed; the message says which, and what it said. */
export class TourFailed extends Error {}

const keepsTrying = 50;
const usualUrl = 'http://127.0.0.1:8009';
/** The root of the installation, above `dist/apps/standalone`. */
const clone = join(__dirname, '..', '..', '..');

/**
 * Shows the whole path once: as a user would, with the command line, against the server that has just started and a
 * device agent in a process of its own.
 */
export class Tour {
  private ownAgent: AgentProcess | null = null;

  constructor(private readonly options: TourOptions) {}

  wasShown(): boolean {
    return existsSync(this.options.directory.file('tour.json'));
  }

  agent(): AgentProcess {
    this.ownAgent ??= new AgentProcess(this.options.directory.file('agent'), () => undefined);
    return this.ownAgent;
  }

  async stop(): Promise<void> {
    await this.ownAgent?.stop();
  }

  /** Throws `TourFailed`; a tour that was broken off begins anew at the next start. */
  async show(): Promise<void> {
    const { directory, say, url } = this.options;
    for (const name of ['client', 'agent', 'tour.json']) rmSync(directory.file(name), { recursive: true, force: true });
    mkdirSync(directory.file('client'), { recursive: true, mode: 0o700 });
    const username = `tour-${mintSecret().slice(0, 8).toLowerCase()}@localhost`;
    const password = mintSecret();
    writeFileSync(directory.file('client', 'password'), `${password}\n`, { mode: 0o600 });

    say('\nA tour: data for a token, onto a device, and back.\n');
    await this.cli({ SYMBOLON_PASSWORD: password }, 'profile', 'register', username);
    await this.cli({}, 'key', 'register');
    const device = await this.cli<{ deviceIdentifier: string }>(
      {},
      'device',
      'add',
      'attic',
      '--dir',
      directory.file('agent'),
    );
    say(`  $ symbolon device run --dir ${this.short(directory.file('agent'))} &`);
    const agent = this.agent();
    await agent.start();
    await this.cli({}, 'device', 'enable', device.deviceIdentifier);

    const file = this.options.file ?? ownFile();
    const { token } = await this.cli<{ token: string }>({}, 'put', file);
    const back = directory.file('client', 'fetched');
    await this.cli({}, 'get', token, '-o', back);
    const [sent, fetched] = [await digestOf(file), await digestOf(back)];
    rmSync(back, { force: true });
    if (sent.sha256 !== fetched.sha256) throw new TourFailed(`What came back differs from ${file}.`);

    say(`\nThe same ${sent.size} bytes came back (SHA-256 ${sent.sha256.slice(0, 16)}…). What each party holds now:\n`);
    say(`  application  the token ${token}, and the keys that only it has (${this.short(directory.file('client'))})`);
    say(`  server       ${await this.heldByServer()}`);
    say(`  device       ${this.heldByDevice()}`);
    writeFileSync(directory.file('tour.json'), JSON.stringify({ username, device: device.deviceIdentifier }), {
      mode: 0o600,
    });
    const home = existsSync(join(clone, '.symbolon', 'client')) ? '' : `SYMBOLON_HOME=${directory.file('client')} `;
    const command = `${home}npx symbolon${url === usualUrl ? '' : ` --url ${url}`}`;
    say(`
Go on with

  ${command} put FILE             exchange a file for a token
  ${command} get TOKEN -o FILE    fetch it back
  ${command} ls                   your tokens
  ${command} device list          your devices
  ${url}/docs

You are ${username}; the password is in ${this.short(directory.file('client', 'password'))}.
Symbolon stays up; the device agent is process ${agent.pid}. Ctrl-C stops both.`);
  }

  /** Runs a command as a user would, and answers what it printed with --json. */
  private async cli<T>(environment: NodeJS.ProcessEnv, ...args: string[]): Promise<T> {
    const { directory, say, url } = this.options;
    say(`  $ symbolon ${args.map((arg) => this.short(arg)).join(' ')}`);
    const program = join(__dirname, '..', 'cli', 'main.cjs');
    const env = {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      SYMBOLON_HOME: directory.file('client'),
      SYMBOLON_URL: url,
      ...environment,
    };
    return new Promise<T>((resolve, reject) => {
      execFile(process.execPath, [program, ...args, '--json'], { env, maxBuffer: 1 << 24 }, (error, stdout, stderr) => {
        if (!error) return resolve(JSON.parse(stdout) as T);
        reject(
          new TourFailed(`The tour stopped at "symbolon ${args[0]} ${args[1] ?? ''}": ${(stdout || stderr).trim()}`),
        );
      });
    });
  }

  /** The bytes in transit are gone as soon as every device has acknowledged them. */
  private async heldByServer(): Promise<string> {
    const database = this.options.inspect.get(DataSource);
    const [{ count }] = await database.query<[{ count: string }]>('select count(*) from keys.token_key');
    const parcels = this.options.directory.file('parcels');
    for (let look = 0; look < keepsTrying && filesBelow(parcels).length > 0; look++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const left = filesBelow(parcels).reduce((sum, path) => sum + statSync(path).size, 0);
    return `${count} wrapped key${count === '1' ? '' : 's'} of the data, ${left} bytes of payload`;
  }

  private heldByDevice(): string {
    const blobs = filesBelow(this.options.directory.file('agent')).filter(
      (path) => startOf(path).subarray(0, 4).toString('latin1') === 'SYM1',
    );
    const [blob] = blobs;
    if (!blob) throw new TourFailed('The device holds nothing.');
    const start = startOf(blob)
      .toString('hex')
      .replace(/(.{8})/g, '$1 ');
    return `${statSync(blob).size} bytes that it cannot open further: ${start}… (${this.short(blob)})`;
  }

  private short(path: string): string {
    const from = relative(process.cwd(), path);
    return path.startsWith('/') && from !== '' && !from.startsWith('..') ? from : path;
  }
}

function ownFile(): string {
  const readme = join(clone, 'README.md');
  return existsSync(readme) ? readme : __filename;
}

async function digestOf(path: string): Promise<{ sha256: string; size: number }> {
  const meter = new Sha256Meter();
  meter.resume();
  await pipeline(createReadStream(path), meter);
  return { sha256: meter.hex(), size: meter.size };
}

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

function startOf(path: string): Buffer {
  const start = Buffer.alloc(16);
  const handle = openSync(path, 'r');
  try {
    return start.subarray(0, readSync(handle, start));
  } finally {
    closeSync(handle);
  }
}
