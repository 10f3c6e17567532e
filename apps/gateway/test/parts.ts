import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FreshDatabase, freePort, TestClient } from '@symbolon/testing';

const root = join(__dirname, '../../..');
export const services = ['identity', 'token-vault', 'device-router', 'policy', 'voting'] as const;
export type Service = (typeof services)[number];
type Part = 'gateway' | Service;

/** Longer than anything here may take on a busy machine; what hangs fails with a sentence instead. */
const patienceMillis = 60_000;

/** Bundles the programs as they are run. `npm test` has done so already. */
export function buildParts(): void {
  if (process.env['SYMBOLON_PROGRAMS_BUILT']) return;
  execFileSync(process.execPath, [join(root, 'tools/build.mjs'), 'gateway', ...services], {
    stdio: 'pipe',
    timeout: 120_000,
  });
}

/** Symbolon as a gateway and a process for each context, on one database. */
export class Parts extends TestClient {
  private readonly children = new Map<Part, ChildProcess>();
  /** All that they wrote. */
  output = '';

  private constructor(
    port: number,
    private readonly ports: ReadonlyMap<Service, number>,
    private readonly environment: Record<string, string>,
    private readonly dataDir: string,
  ) {
    super(`http://127.0.0.1:${port}`);
  }

  static async create(database: FreshDatabase, more: Record<string, string> = {}): Promise<Parts> {
    const port = await freePort();
    const ports = new Map<Service, number>();
    for (const service of services) ports.set(service, await freePort());
    const dataDir = mkdtempSync(join(tmpdir(), 'symbolon-parts-'));
    const environment = {
      DATABASE_URL: database.url,
      SYMBOLON_LISTEN: `127.0.0.1:${port}`,
      SYMBOLON_SERVICES: [...ports].map(([service, at]) => `${service}=127.0.0.1:${at}`).join(','),
      SYMBOLON_DATA_DIR: dataDir,
      SYMBOLON_METRICS_LISTEN: '127.0.0.1:0',
      SYMBOLON_ARGON2_MEMORY_KIB: '19456',
      SYMBOLON_ARGON2_ITERATIONS: '2',
      SYMBOLON_ARGON2_PARALLELISM: '1',
      SYMBOLON_RATE_ADDRESS_PER_MINUTE: '0',
      SYMBOLON_RATE_TOKEN_PER_MINUTE: '0',
      SYMBOLON_LOG_LEVEL: 'warn',
      ...more,
    };
    return new Parts(port, ports, environment, dataDir);
  }

  /** Straight to a service, past the gateway. */
  direct(service: Service): string {
    return `http://127.0.0.1:${this.ports.get(service)}`;
  }

  async startAll(): Promise<void> {
    await Promise.all([...services, 'gateway' as const].map((part) => this.startPart(part)));
  }

  async startPart(part: Part): Promise<void> {
    const child = spawn(process.execPath, [join(root, 'dist/apps', part, 'main.cjs')], {
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...this.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.children.set(part, child);
    let said = '';
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => {
        child.kill('SIGKILL');
        reject(new Error(`${part} did not get ready in time: ${said}`));
      }, patienceMillis);
      const listen = (chunk: Buffer) => {
        said += chunk.toString();
        this.output += chunk.toString();
        if (said.includes(`Symbolon ${part} is ready`)) {
          clearTimeout(late);
          resolve();
        }
      };
      child.stdout.on('data', listen);
      child.stderr.on('data', listen);
      child.once('exit', (code) => {
        clearTimeout(late);
        reject(new Error(`${part} ended with ${code}: ${said}`));
      });
    });
  }

  /** Megabytes that a part has in memory. */
  residentMb(part: Part): number {
    const { pid } = this.children.get(part)!;
    return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)]).toString()) / 1024;
  }

  async end(part: Part, signal: NodeJS.Signals): Promise<number | null> {
    const child = this.children.get(part);
    if (!child || child.exitCode !== null || child.signalCode !== null) return null;
    const exited = once(child, 'exit');
    const late = setTimeout(() => child.kill('SIGKILL'), patienceMillis);
    child.kill(signal);
    const [code] = (await exited.finally(() => clearTimeout(late))) as [number | null];
    return code;
  }

  /** Ends everything; answers the exit codes. */
  async stop(): Promise<Array<number | null>> {
    const codes = await Promise.all(([...this.children.keys()] as Part[]).map((part) => this.end(part, 'SIGTERM')));
    rmSync(this.dataDir, { recursive: true, force: true });
    return codes;
  }
}
