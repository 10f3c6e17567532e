import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Hands, Job } from './fused';
import type { Answer, Step, Task } from './thread-jobs';

const mostThreads = Math.max(1, Math.min(4, availableParallelism() - 1));
const idleMillis = 30_000;

let threads: SealingThreads | null = null;

/** From now on large bodies are sealed, opened and digested in threads that run this file, the built `sealing-thread.ts`. */
export function useSealingThreads(file: string): void {
  if (!existsSync(file)) throw new Error(`${file} is missing: the program was not built whole`);
  threads = new SealingThreads(file);
}

/** Null where the program uses none. */
export function sealingThreads(): Hands | null {
  return threads;
}

/** A few threads. Each starts when the others have work, and ends when it has had none for a while. */
class SealingThreads implements Hands {
  readonly highWaterMark = 128 * 1024;
  private readonly threads = new Set<SealingThread>();

  constructor(private readonly file: string) {}

  begin(steps: readonly Step[], hear: Listener['hear'], broken: Listener['broken']): Job {
    return this.leastBusy().begin(steps, hear, broken);
  }

  private leastBusy(): SealingThread {
    const [least] = [...this.threads].sort((a, b) => a.busy - b.busy);
    if (least && (least.busy === 0 || this.threads.size >= mostThreads)) return least;
    const thread = new SealingThread(this.file, () => this.threads.delete(thread));
    this.threads.add(thread);
    return thread;
  }
}

interface Listener {
  readonly hear: (answer: Answer) => void;
  readonly broken: (error: Error) => void;
}

class SealingThread {
  private readonly worker: Worker;
  private readonly listeners = new Map<number, Listener>();
  private idle: NodeJS.Timeout | null = null;
  private jobs = 0;

  /** `leave` is called when it can take no more jobs. */
  constructor(
    file: string,
    private readonly leave: () => void,
  ) {
    this.worker = new Worker(file, { resourceLimits: { maxYoungGenerationSizeMb: 2 } });
    this.worker.unref();
    this.worker.on('message', (answer: Answer) => this.listeners.get(answer.job)?.hear(answer));
    this.worker.on('error', (error) => this.ended(error));
    this.worker.on('exit', () => this.ended(new Error('a sealing thread ended')));
  }

  get busy(): number {
    return this.listeners.size;
  }

  begin(steps: readonly Step[], hear: Listener['hear'], broken: Listener['broken']): Job {
    if (this.idle) clearTimeout(this.idle);
    const job = ++this.jobs;
    this.worker.ref();
    this.listeners.set(job, { hear, broken });
    this.tell({ job, kind: 'begin', steps });
    // The thread has copies.
    for (const step of steps) if (step.kind !== 'meter') step.chunks.key.fill(0);
    return {
      give: (pieces) => {
        const bytes = alone(pieces);
        this.tell({ job, kind: 'more', bytes }, [bytes.buffer]);
      },
      end: () => this.tell({ job, kind: 'end' }),
      drop: () => this.drop(job),
    };
  }

  private tell(task: Task, handedOver: ArrayBuffer[] = []): void {
    this.worker.postMessage(task, handedOver);
  }

  private drop(job: number): void {
    if (!this.listeners.delete(job)) return;
    this.tell({ job, kind: 'drop' });
    if (this.busy > 0) return;
    this.worker.unref();
    this.idle = setTimeout(() => {
      this.leave();
      void this.worker.terminate();
    }, idleMillis).unref();
  }

  private ended(error: Error): void {
    this.leave();
    const left = [...this.listeners.values()];
    this.listeners.clear();
    for (const { broken } of left) broken(error);
  }
}

/** The same bytes in memory that is nobody else's, so that it can be handed over. */
function alone(pieces: readonly Uint8Array[]): Buffer<ArrayBuffer> {
  const whole = Buffer.allocUnsafeSlow(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
