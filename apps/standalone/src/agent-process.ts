import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** The agent could not be started; the message is a sentence for people. */
export class AgentError extends Error {}

/** A device agent that runs beside the server as a process of its own, and is started again should it end. */
export class AgentProcess {
  private child: ChildProcess | null = null;
  private stopping = false;
  private delay = 500;

  constructor(
    private readonly directory: string,
    private readonly onLine: (line: string) => void,
  ) {}

  static program(): string {
    return join(__dirname, '..', 'device-agent', 'main.cjs');
  }

  static isThere(directory: string): boolean {
    return existsSync(join(directory, 'device.json'));
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  /** Resolves when the agent says that it is connected. */
  async start(): Promise<void> {
    const child = spawn(
      process.execPath,
      [AgentProcess.program(), 'run', '--dir', this.directory, '--json', '--attached'],
      {
        // The agent ends with its input: also when this process is killed.
        stdio: ['pipe', 'pipe', 'pipe'],
        env: { PATH: process.env['PATH'], HOME: process.env['HOME'] },
      },
    );
    this.child = child;
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2000)));
    child.once('exit', () => this.restart());
    const lines = createInterface({ input: child.stdout });
    await new Promise<void>((resolve, reject) => {
      lines.on('line', (line) => {
        this.onLine(line);
        if (isReady(line)) {
          this.delay = 500;
          resolve();
        }
      });
      child.once('error', (error) => reject(new AgentError(`The device agent cannot be started: ${error.message}.`)));
      child.once('exit', (code) => reject(new AgentError(`The device agent ended (code ${code}): ${said.trim()}`)));
    });
  }

  /** Ends the agent as SIGTERM does, and waits for it. */
  async stop(): Promise<void> {
    this.stopping = true;
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const force = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await ended;
    clearTimeout(force);
  }

  private restart(): void {
    if (this.stopping) return;
    setTimeout(() => {
      if (!this.stopping) this.start().catch(() => undefined);
    }, this.delay).unref();
    this.delay = Math.min(this.delay * 2, 30_000);
  }
}

function isReady(line: string): boolean {
  try {
    return (JSON.parse(line) as { event?: string }).event === 'ready';
  } catch {
    return false;
  }
}
