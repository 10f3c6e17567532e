import { Readable } from 'node:stream';
import { invalid, Problem } from '@symbolon/http';

export interface IncomingOptions {
  /** 0: no limit. */
  readonly maxBytes: number;
  /** How long the sender may keep silent while it is waited for. */
  readonly idleMillis: number;
  /** Asked when the last byte has come, before the end is passed on: false breaks the transfer. */
  readonly confirm: () => Promise<boolean>;
}

/**
 * The body of an upload: passes bytes on at the reader's pace, counts them, and ends only where the request ended as it
 * should. Otherwise it fails: 413 beyond the limit, 400 where the sender broke off, fell silent or was cut off.
 * It never destroys the request, which may still have to be answered.
 */
export class Incoming extends Readable {
  size = 0;
  /** Why the transfer broke, where it did so by itself and not because its reader stopped. */
  fault: Error | null = null;
  /** Rejects with 422 where the body is empty, and with whatever ends the body before its first byte. */
  readonly begun: Promise<void>;
  private begin!: () => void;
  private refuse!: (error: Error) => void;
  private idle: NodeJS.Timeout | null = null;

  constructor(
    private readonly request: Readable,
    private readonly options: IncomingOptions,
  ) {
    super({ highWaterMark: 256 * 1024 });
    this.begun = new Promise((resolve, reject) => {
      this.begin = resolve;
      this.refuse = reject;
    });
    this.begun.catch(() => undefined);
    // Whoever reads gets the error then; until somebody does, it must not end the process.
    this.on('error', () => undefined);
    request.on('data', this.onData).on('end', this.onEnd).on('close', this.onCut).on('error', this.onCut);
    request.pause();
    if (request.destroyed || request.errored) this.onCut();
    else this.wait();
  }

  override _read(): void {
    this.wait();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.patience(false);
    this.request.off('data', this.onData).off('end', this.onEnd).off('close', this.onCut).off('error', this.onCut);
    this.request.on('error', () => undefined);
    this.request.pause();
    this.refuse(error ?? broken());
    done(error);
  }

  /** Ends the transfer from this side. */
  break(): void {
    this.fail(broken());
  }

  private fail(error: Error): void {
    this.fault ??= error;
    this.destroy(error);
  }

  private wait(): void {
    if (this.request.readableEnded) return;
    this.patience(true);
    this.request.resume();
  }

  private patience(needed: boolean): void {
    if (this.idle) clearTimeout(this.idle);
    this.idle = needed ? setTimeout(() => this.break(), this.options.idleMillis).unref() : null;
  }

  private readonly onData = (chunk: Buffer): void => {
    this.size += chunk.length;
    if (this.options.maxBytes > 0 && this.size > this.options.maxBytes) {
      this.fail(tooLarge());
      return;
    }
    if (chunk.length > 0) this.begin();
    if (this.push(chunk)) {
      this.idle?.refresh();
    } else {
      this.patience(false);
      this.request.pause();
    }
  };

  private readonly onEnd = (): void => {
    this.patience(false);
    if (this.size === 0) {
      this.fail(invalid({ body: ['must have at least 1 byte'] }));
      return;
    }
    this.options.confirm().then(
      (confirmed) => (confirmed ? this.push(null) : this.break()),
      (error: Error) => this.fail(error),
    );
  };

  private readonly onCut = (): void => {
    if (!this.request.readableEnded) this.break();
  };
}

export function tooLarge(): Problem {
  return new Problem(413, 'payload_too_large');
}

function broken(): Problem {
  return new Problem(400, 'request_malformed');
}
