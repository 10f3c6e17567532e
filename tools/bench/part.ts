import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

type Answer = { readonly value: unknown } | { readonly error: string };

/** A part of the benchmark in a process of its own, which answers one task at a time. */
export class Part {
  private constructor(private readonly child: ChildProcess) {}

  static start(name: string, env: Record<string, string> = {}): Part {
    const file = join(__dirname, `${name}.cjs`);
    return new Part(fork(file, { execArgv: ['--enable-source-maps'], env: { ...process.env, ...env } }));
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  async ask<T>(task: object): Promise<T> {
    this.child.send(task);
    const ended = new AbortController();
    const { signal } = ended;
    try {
      const [answer] = (await Promise.race([
        once(this.child, 'message', { signal }),
        once(this.child, 'exit', { signal }).then(([code]) => [{ error: `a part ended with code ${code}` }]),
      ])) as [Answer];
      if ('error' in answer) throw new Error(answer.error);
      return answer.value as T;
    } finally {
      ended.abort();
    }
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exit = once(this.child, 'exit');
    this.child.disconnect();
    await exit;
  }
}

/** The other side: answers the tasks that arrive, and ends with the process that sent them. */
export function answerTasks<T>(handle: (task: T) => Promise<unknown>): void {
  process.on('disconnect', () => process.exit(0));
  process.on('message', (task: T) => {
    handle(task).then(
      (value) => process.send?.({ value }),
      (error: unknown) =>
        process.send?.({ error: error instanceof Error ? (error.stack ?? error.message) : 'unknown' }),
    );
  });
}
