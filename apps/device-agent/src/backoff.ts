import { setTimeout as after } from 'node:timers/promises';
import { randomBytes } from '@symbolon/crypto';

/** Waits that double from `first` to `most` milliseconds, each shortened at random by up to a half. */
export class Backoff {
  private tries = 0;

  constructor(
    private readonly first: number,
    private readonly most: number,
  ) {}

  reset(): void {
    this.tries = 0;
  }

  /** The next wait in milliseconds. */
  next(): number {
    const full = Math.min(this.most, this.first * 2 ** Math.min(this.tries++, 30));
    return full * (0.5 + randomBytes(4).readUInt32LE() / 2 ** 33);
  }

  /** Waits, at least `atLeast` milliseconds. Rejects when `signal` aborts. */
  async wait(signal: AbortSignal, atLeast = 0): Promise<void> {
    await after(Math.max(atLeast, this.next()), undefined, { signal });
  }
}
