import { Duplex, type Transform } from 'node:stream';
import { CobblestoneSealer, OpeningStream } from './chunk-stream';
import { Sha256Meter } from './digest';
import { SealError } from './seal-error';
import { type Answer, type Step, type Task, ThreadJobs } from './thread-jobs';
import { sealingThreads } from './sealing-threads';

/** Bytes below which a thread of its own is not worth its start. */
const worthwhile = 8 * 1024 * 1024;
/** Pieces that are under way before the next one is given. */
const ahead = 2;

type Stage = CobblestoneSealer | OpeningStream | Sha256Meter;

/**
 * Unused stages as one, which does the work of all of them on the bytes that pass (`length`; null: nobody knows how
 * many), in constant memory: much in a thread of its own, where the program has such threads. Meters are kept up to
 * date. When it ends, its stages end; an opener hears of what ended it. Only the first stage can open.
 */
export function fused(length: number | null, stages: readonly Transform[]): Duplex {
  for (const [index, stage] of stages.entries()) {
    const known = stage instanceof CobblestoneSealer || stage instanceof Sha256Meter;
    if (!known && !(stage instanceof OpeningStream && index === 0))
      throw new TypeError('not a stage that can be fused');
  }
  const hands = length === null || length >= worthwhile ? sealingThreads() : null;
  return new Fused(stages as readonly Stage[], hands ?? ownHands);
}

/** Who does the work. Answers come in the order of the tasks, at once or later. */
export interface Hands {
  /** Bytes that wait on either side before the source has to. */
  readonly highWaterMark: number;
  begin(steps: readonly Step[], hear: (answer: Answer) => void, broken: (error: Error) => void): Job;
}

/** One stream's work. */
export interface Job {
  give(pieces: readonly Uint8Array[]): void;
  end(): void;
  drop(): void;
}

/** In this thread. */
const ownHands: Hands = {
  highWaterMark: 64 * 1024,
  begin(steps, hear) {
    const jobs = new ThreadJobs();
    const job = 0;
    const handle = (task: Task): void => {
      const answer = jobs.handle(task);
      if (answer) hear(answer);
    };
    handle({ job, kind: 'begin', steps });
    return {
      give: (pieces) => handle({ job, kind: 'more', bytes: pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces) }),
      end: () => handle({ job, kind: 'end' }),
      drop: () => handle({ job, kind: 'drop' }),
    };
  },
};

class Fused extends Duplex {
  private job: Job | null = null;
  private underWay = 0;
  private full = false;
  private next: (() => void) | null = null;
  private finished: (() => void) | null = null;

  constructor(
    private readonly stages: readonly Stage[],
    private readonly hands: Hands,
  ) {
    super({ highWaterMark: hands.highWaterMark });
    // Nobody has to listen to the stages.
    for (const stage of stages) stage.on('error', () => undefined);
    if (!(stages[0] instanceof OpeningStream)) this.begin(null);
  }

  override _write(piece: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.give([piece], done);
  }

  override _writev(pieces: ReadonlyArray<{ readonly chunk: Buffer }>, done: (error?: Error | null) => void): void {
    this.give(
      pieces.map(({ chunk }) => chunk),
      done,
    );
  }

  override _final(done: (error?: Error | null) => void): void {
    if (!this.job) return done(new SealError());
    this.finished = done;
    this.job.end();
  }

  override _read(): void {
    this.full = false;
    this.proceed();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.job?.drop();
    for (const stage of this.stages) stage.destroy(stage instanceof OpeningStream ? (error ?? undefined) : undefined);
    done(error);
  }

  private give(given: readonly Buffer[], done: (error?: Error | null) => void): void {
    let pieces = given;
    const [first] = this.stages;
    if (!this.job && first instanceof OpeningStream) {
      try {
        const begun = first.preamble.take(Buffer.concat(given));
        if (!begun) return done();
        this.begin(begun.chunks.material());
        begun.chunks.forget();
        pieces = [begun.rest];
      } catch {
        return done(new SealError());
      }
    }
    this.underWay++;
    this.next = done;
    this.job?.give(pieces);
    this.proceed();
  }

  private begin(opens: Extract<Step, { kind: 'open' }>['chunks'] | null): void {
    const steps = this.stages.map((stage): Step => {
      if (stage instanceof Sha256Meter) return { kind: 'meter' };
      if (stage instanceof CobblestoneSealer)
        return { kind: 'seal', preamble: stage.preamble, chunks: stage.material() };
      return { kind: 'open', chunks: opens! };
    });
    this.job = this.hands.begin(
      steps,
      (answer) => this.hear(answer),
      (error) => this.destroy(error),
    );
  }

  private hear(answer: Answer): void {
    if (this.destroyed) return;
    if (answer.kind === 'fault') {
      this.destroy(new SealError());
      return;
    }
    for (const stage of this.stages) {
      if (stage instanceof Sha256Meter) stage.note(answer.digested, answer.kind === 'end' ? answer.digest : null);
    }
    const { buffer, byteOffset, byteLength } = answer.bytes;
    if (byteLength > 0) this.full = !this.push(Buffer.from(buffer, byteOffset, byteLength));
    if (answer.kind === 'end') {
      this.push(null);
      this.finished?.();
      return;
    }
    this.underWay--;
    this.proceed();
  }

  private proceed(): void {
    if (this.destroyed || !this.next || this.full || this.underWay >= ahead) return;
    const { next } = this;
    this.next = null;
    next();
  }
}
