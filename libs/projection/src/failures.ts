import { setTimeout as delay } from 'node:timers/promises';
import { isOutage } from '@symbolon/kernel';
import { Unavailable } from '@symbolon/kernel';

/** Waits `millis`, or less when `signal` aborts. Does not keep the process alive. */
export async function pause(millis: number, signal: AbortSignal): Promise<void> {
  await delay(millis, undefined, { signal, ref: false }).catch(() => undefined);
}

/** Doubling intervals from `first` up to `most` milliseconds. */
export class Backoff {
  private next: number;

  constructor(
    private readonly first: number,
    private readonly most: number,
  ) {
    this.next = first;
  }

  wait(signal: AbortSignal): Promise<void> {
    const millis = this.next;
    this.next = Math.min(millis * 2, this.most);
    return pause(millis, signal);
  }

  reset(): void {
    this.next = this.first;
  }
}

/** An error for operators: no values of rows, which the texts of PostgreSQL may quote. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error';
  const { code, table, column, constraint } = error as {
    code?: string;
    table?: string;
    column?: string;
    constraint?: string;
  };
  if (typeof code !== 'string') return `${error.name}: ${error.message}`.slice(0, 500);
  const where = Object.entries({ table, column, constraint }).filter(([, value]) => value !== undefined);
  return [`${error.name} ${code}`, ...where.map(([what, value]) => `${what} ${value}`)].join(', ');
}

/** Outages, and transactions that lost to another: deadlock, serialization, a lock not obtained. */
export function passesByItself(error: unknown): boolean {
  if (error instanceof Unavailable || isOutage(error)) return true;
  return /^(40001|40P01|55P03)$/.test(String((error as { code?: unknown } | null)?.code));
}

/** Turns the outage of the database into `Unavailable`. */
export async function reaching<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw isOutage(error) ? new Unavailable('database', { cause: error }) : error;
  }
}
