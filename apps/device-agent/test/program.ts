import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';

const root = dirname(dirname(dirname(__dirname)));
const esmOnly = ['jose', 'hpke', '@noble/'];

/** Bundles the agent as the build does: our own code and ESM-only packages in one file. */
export async function bundleAgent(outfile: string): Promise<void> {
  const { compilerOptions } = JSON.parse(readFileSync(join(root, 'tsconfig.base.json'), 'utf8')) as {
    compilerOptions: { paths: Record<string, [string]> };
  };
  await build({
    entryPoints: [join(root, 'apps/device-agent/src/main.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    tsconfig: join(root, 'tsconfig.base.json'),
    logLevel: 'error',
    plugins: [
      {
        name: 'ours',
        setup({ onResolve }) {
          onResolve({ filter: /^[^./]/ }, ({ path, kind }) => {
            if (kind === 'entry-point' || esmOnly.some((name) => path.startsWith(name))) return null;
            const own = compilerOptions.paths[path]?.[0];
            return own ? { path: join(root, own) } : { path, external: true };
          });
        },
      },
    ],
  });
}

/** The agent as a process of its own. */
export class Program {
  readonly events: { event: string; [field: string]: unknown }[] = [];
  stderr = '';
  private readonly exited: Promise<unknown[]>;

  private constructor(
    private readonly child: ChildProcess,
    private readonly noticed: () => void,
  ) {
    this.exited = once(child, 'exit');
    if (!child.stdout || !child.stderr) throw new Error('the program has no output');
    child.stderr.on('data', (text: Buffer) => (this.stderr += text.toString()));
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.events.push(JSON.parse(line) as { event: string });
      this.noticed();
    });
  }

  /** `noticed` is called whenever the program has told of something. */
  static start(
    bundle: string,
    args: readonly string[],
    noticed: () => void = () => undefined,
    prefix: readonly string[] = [],
  ): Program {
    const [command = process.execPath, ...rest] = [...prefix, process.execPath, bundle, ...args];
    const env = { ...process.env, NODE_PATH: join(root, 'node_modules') };
    return new Program(spawn(command, rest, { env, stdio: ['ignore', 'pipe', 'pipe'] }), noticed);
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Ends it; answers the exit code, or null where a signal ended it. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.child.kill(signal);
    return this.exit();
  }

  async exit(): Promise<number | null> {
    const [code] = await this.exited;
    return code as number | null;
  }
}
