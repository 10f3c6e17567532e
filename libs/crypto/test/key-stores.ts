import { ManualClock } from '@symbolon/kernel';
import type { Pool } from 'pg';
import type { QueryRunner } from 'typeorm';
import { KeyStore, MemoryKeyRing, type RingKey } from '../src';

/** Makes the store's tables in an empty database. */
export async function migrateKeys(pool: Pool): Promise<void> {
  const runner = { query: (sql: string) => pool.query(sql) } as unknown as QueryRunner;
  for (const Migration of KeyStore.migrations) await new Migration().up(runner);
}

export class Crash extends Error {}

/** Counts the steps of a run and ends it before or after a given one, as a process that dies there would. */
export class Steps {
  private taken = 0;

  constructor(
    private readonly last: number,
    private readonly when: 'before' | 'after',
  ) {}

  async take<T>(work: () => Promise<T>): Promise<T> {
    const crashes = ++this.taken === this.last;
    if (crashes && this.when === 'before') throw new Crash();
    const result = await work();
    if (crashes) throw new Crash();
    return result;
  }

  get count(): number {
    return this.taken;
  }
}

/** A pool whose queries are steps. */
export function steppedPool(pool: Pool, steps: Steps): Pool {
  return {
    query: (...args: Parameters<Pool['query']>) =>
      steps.take(() => (pool.query as (...all: unknown[]) => Promise<unknown>)(...args)),
    connect: () => pool.connect(),
  } as unknown as Pool;
}

/** A ring whose changes are steps. It shares its keys with every ring made from it. */
export class SteppedKeyRing extends MemoryKeyRing {
  steps = new Steps(0, 'before');

  protected override async change(edit: (keys: readonly RingKey[]) => readonly RingKey[]): Promise<void> {
    await this.steps.take(() => super.change(edit));
  }
}

const start = Date.parse('2026-02-21T15:33:44.123Z');

export function clockAtStart(): ManualClock {
  return new ManualClock(start);
}
