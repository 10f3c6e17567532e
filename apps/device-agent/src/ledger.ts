import { millisOf } from '@symbolon/kernel';
import { type FrameSeal, type JournalContent, JournalFile } from './journal';

/** One version of one object that lies in the store. `size` and `sha256` are those of its layer-2 bytes. */
export interface Holding {
  readonly version: number;
  readonly size: number;
  readonly sha256: string;
}

/** What an order did. All entries of one `record` call become true together or not at all. */
export type Entry =
  | readonly ['stored', objectId: string, version: number, size: number, sha256: string]
  | readonly ['deleted', objectId: string, upToVersion: number]
  /** This one version is not there any more. */
  | readonly ['gone', objectId: string, version: number]
  /** The order `id` is done; it was answered at `answeredAt`. Forgotten after `until` (milliseconds). */
  | readonly ['done', id: string, answeredAt: string, until: number];

export interface Done {
  readonly answeredAt: string;
  readonly until: number;
}

const entriesPerFrame = 1000;
const smallEnough = 4 * 1024 * 1024;

/**
 * What the device holds and which orders it has carried out. Lives in memory and in a sealed, append-only file; entries
 * that come together are written and synced together. A second copy, written along without waiting, mends the first
 * where it was lost or damaged.
 */
export class Ledger {
  private readonly objects = new Map<string, Holding[]>();
  private readonly orders = new Map<string, Done>();
  private sorted: string[] = [];
  private added: string[] = [];
  private waiting: { entries: readonly Entry[]; settle: (error?: unknown) => void }[] = [];
  private committing: Promise<void> = Promise.resolve();
  private busy = false;
  private generation = 0;
  private broken = false;
  private bytesAfterRewrite = 0;

  private constructor(
    private readonly main: JournalFile,
    private readonly copy: JournalFile,
    private readonly now: () => number,
  ) {}

  /** `damaged`: neither file gives all that was recorded; `missing`: there is none. */
  static async open(
    paths: { main: string; copy: string },
    frameSeal: FrameSeal,
    now: () => number,
  ): Promise<{ ledger: Ledger; state: 'whole' | 'damaged' | 'missing' }> {
    const main = new JournalFile(paths.main, frameSeal);
    const copy = new JournalFile(paths.copy, frameSeal);
    const ledger = new Ledger(main, copy, now);
    const first = await main.load();
    const second = !first || first.damaged ? await copy.load() : null;
    const { frames, generation, state } = merge(first, second);
    for (const frame of frames)
      for (const entry of JSON.parse(Buffer.from(frame).toString()) as Entry[]) ledger.apply(entry);
    ledger.generation = generation;
    await ledger.rewrite();
    return { ledger, state };
  }

  /** Number of objects. */
  get size(): number {
    return this.objects.size;
  }

  find(objectId: string, version: number): Holding | null {
    return this.objects.get(objectId)?.find((holding) => holding.version === version) ?? null;
  }

  /** All versions of an object, ascending. */
  versionsOf(objectId: string): readonly Holding[] {
    return this.objects.get(objectId) ?? [];
  }

  /** Objects after `after` (null: from the start), ascending. */
  *after(after: string | null): Iterable<readonly [objectId: string, versions: readonly Holding[]]> {
    const ids = this.ascending();
    for (let at = after === null ? 0 : firstAfter(ids, after); at < ids.length; at++) {
      const objectId = ids[at] ?? '';
      const versions = this.objects.get(objectId);
      if (versions) yield [objectId, versions];
    }
  }

  /** The order of this id, if it was carried out within the last 7 days. */
  done(id: string): Done | null {
    return this.orders.get(id) ?? null;
  }

  /** Makes entries true and durable. On an error none of them is true. */
  record(...entries: Entry[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ entries, settle: (error) => (error === undefined ? resolve() : reject(error)) });
      if (!this.busy) this.committing = this.commit();
    });
  }

  /** Forgets orders whose time is over. */
  sweep(): void {
    const now = this.now();
    for (const [id, { until }] of this.orders) if (until < now) this.orders.delete(id);
  }

  async close(): Promise<void> {
    await this.committing;
    await this.copy.sync().catch(() => undefined);
    await this.main.close();
    await this.copy.close();
  }

  /** Never rejects. `busy` falls in the same turn in which nothing waits any more, so that nobody is left waiting. */
  private async commit(): Promise<void> {
    this.busy = true;
    while (this.waiting.length > 0) {
      const batch = this.waiting;
      this.waiting = [];
      let failure: unknown;
      try {
        if (this.broken || this.bytesAfterRewrite > smallEnough + this.estimate()) await this.rewrite();
        const frame = Buffer.from(JSON.stringify(batch.flatMap(({ entries }) => entries)));
        await this.main.append(frame, true);
        this.bytesAfterRewrite += frame.length;
        await this.copy.append(frame, false).catch(() => (this.broken = true));
      } catch (error) {
        // The end of the file is unknown now: the next commit writes the file anew from what is true.
        this.broken = true;
        failure = error;
      }
      for (const { entries, settle } of batch) {
        if (failure === undefined) for (const entry of entries) this.apply(entry);
        settle(failure);
      }
    }
    this.busy = false;
  }

  private async rewrite(): Promise<void> {
    this.sweep();
    const frames: Buffer[] = [];
    let entries: Entry[] = [];
    const put = (entry: Entry): void => {
      if (entries.push(entry) < entriesPerFrame) return;
      frames.push(Buffer.from(JSON.stringify(entries)));
      entries = [];
    };
    for (const [objectId, holdings] of this.objects) {
      for (const { version, size, sha256 } of holdings) put(['stored', objectId, version, size, sha256]);
    }
    for (const [id, { answeredAt, until }] of this.orders) put(['done', id, answeredAt, until]);
    if (entries.length > 0) frames.push(Buffer.from(JSON.stringify(entries)));
    this.generation++;
    await this.main.rewrite(this.generation, frames);
    await this.copy.rewrite(this.generation, frames);
    this.broken = false;
    this.bytesAfterRewrite = 0;
  }

  /** Ids of all objects, ascending, and of some that are gone. Sorting is near to linear: the old part is in order. */
  private ascending(): readonly string[] {
    if (this.added.length > 0) {
      const ids = [...this.sorted, ...this.added].sort();
      this.sorted = ids.filter((id, at) => id !== ids[at - 1] && this.objects.has(id));
      this.added = [];
    }
    return this.sorted;
  }

  private estimate(): number {
    return this.main.size - this.bytesAfterRewrite;
  }

  private apply(entry: Entry): void {
    const [kind, id] = entry;
    if (kind === 'done') {
      this.orders.set(id, { answeredAt: entry[2], until: entry[3] });
      return;
    }
    const held = this.objects.get(id) ?? [];
    const others = held.filter(({ version }) => (kind === 'deleted' ? version > entry[2] : version !== entry[2]));
    if (kind === 'stored') {
      others.push({ version: entry[2], size: entry[3], sha256: entry[4] });
      others.sort((a, b) => a.version - b.version);
    }
    if (held.length === 0 && others.length > 0) this.added.push(id);
    if (others.length === 0) this.objects.delete(id);
    else this.objects.set(id, others);
  }
}

/** When an order of this time may be forgotten: 7 days after it was sent or, by a clock that lags, received. */
export function forgetAt(at: string, now: number): number {
  return Math.max(millisOf(at), now) + keepFor;
}

/** Milliseconds for which ids are kept, and after which a message is too old. */
export const keepFor = 7 * 24 * 60 * 60 * 1000;

function merge(
  main: JournalContent | null,
  copy: JournalContent | null,
): { frames: Uint8Array[]; generation: number; state: 'whole' | 'damaged' | 'missing' } {
  const base = main ?? copy;
  if (!base) return { frames: [], generation: 0, state: 'missing' };
  const more = main && copy?.generation === main.generation ? copy.frames : [];
  const all = [...new Map([...more, ...base.frames])].sort(([a], [b]) => a - b);
  const whole = all.length === (all.at(-1)?.[0] ?? -1) + 1;
  return { frames: all.map(([, frame]) => frame), generation: base.generation, state: whole ? 'whole' : 'damaged' };
}

function firstAfter(sorted: readonly string[], value: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if ((sorted[middle] ?? '') <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}
