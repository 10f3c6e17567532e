import { createHash } from 'node:crypto';
import { ChunkOpening, ChunkSealing } from './chunk-work';
import { ChunkKey, type ChunkKeyMaterial } from './cobblestone';

/** One of the things that a thread does, one after the other, with the bytes of a job. */
export type Step =
  | { readonly kind: 'seal'; readonly preamble: Uint8Array; readonly chunks: ChunkKeyMaterial }
  | { readonly kind: 'open'; readonly chunks: ChunkKeyMaterial }
  | { readonly kind: 'meter' };

/** What a thread is told. Bytes are handed over, not copied. */
export type Task = { readonly job: number } & (
  | { readonly kind: 'begin'; readonly steps: readonly Step[] }
  | { readonly kind: 'more'; readonly bytes: Uint8Array }
  | { readonly kind: 'end' | 'drop' }
);

/** What it answers: to each task with bytes, and to the end. A fault ends the job. */
export type Answer = { readonly job: number } & (
  | { readonly kind: 'more'; readonly bytes: Uint8Array; readonly digested: number }
  | { readonly kind: 'end'; readonly bytes: Uint8Array; readonly digested: number; readonly digest: string | null }
  | { readonly kind: 'fault' }
);

interface Worker {
  update(input: Uint8Array): Uint8Array;
  end(): Uint8Array;
  forget(): void;
}

const nothing = new Uint8Array(0);

/** The jobs of one thread. */
export class ThreadJobs {
  private readonly jobs = new Map<number, Job>();

  handle(task: Task): Answer | null {
    const { job: id } = task;
    if (task.kind === 'begin') {
      this.jobs.set(id, new Job(task.steps));
      return null;
    }
    const job = this.jobs.get(id);
    if (!job) return null; // it was dropped, or had a fault
    if (task.kind !== 'more') this.jobs.delete(id);
    try {
      if (task.kind === 'more') return { job: id, kind: 'more', ...job.update(task.bytes) };
      if (task.kind === 'end') return { job: id, kind: 'end', ...job.end() };
      return null;
    } catch {
      this.jobs.delete(id);
      return { job: id, kind: 'fault' };
    } finally {
      if (!this.jobs.has(id)) job.forget();
    }
  }
}

class Job {
  private readonly workers: Worker[];
  private readonly hash = createHash('sha256');
  private digested = 0;
  private digests = false;

  constructor(steps: readonly Step[]) {
    this.workers = steps.map((step) => this.workerOf(step));
  }

  update(input: Uint8Array): { bytes: Uint8Array; digested: number } {
    const bytes = this.workers.reduce((passed, worker) => worker.update(passed), input);
    return { bytes, digested: this.digested };
  }

  end(): { bytes: Uint8Array; digested: number; digest: string | null } {
    const bytes = this.workers.reduce((passed, worker) => {
      const out = passed.length > 0 ? [worker.update(passed), worker.end()] : [worker.end()];
      return Buffer.concat(out);
    }, nothing);
    return { bytes, digested: this.digested, digest: this.digests ? this.hash.digest('hex') : null };
  }

  forget(): void {
    for (const worker of this.workers) worker.forget();
  }

  private workerOf(step: Step): Worker {
    if (step.kind === 'open') return new ChunkOpening(new ChunkKey(step.chunks.key, step.chunks.baseNonce));
    if (step.kind === 'seal') {
      return preceded(step.preamble, new ChunkSealing(new ChunkKey(step.chunks.key, step.chunks.baseNonce)));
    }
    this.digests = true;
    const update = (input: Uint8Array): Uint8Array => {
      this.digested += input.length;
      this.hash.update(input);
      return input;
    };
    return { update, end: () => nothing, forget: () => undefined };
  }
}

function preceded(preamble: Uint8Array, worker: Worker): Worker {
  let first: Uint8Array = preamble;
  const after = (bytes: Uint8Array): Uint8Array => {
    if (first.length === 0) return bytes;
    const out = Buffer.concat([first, bytes]);
    first = nothing;
    return out;
  };
  return {
    update: (input) => after(worker.update(input)),
    end: () => after(worker.end()),
    forget: () => worker.forget(),
  };
}
