import type { PersonalBoxes } from '@symbolon/crypto';
import { type Batch, type EventStore, type Recorded, Unavailable } from '@symbolon/kernel';
import type { PoolClient } from 'pg';
import type { DataSource } from 'typeorm';
import { empty, rebuild, skipStalled, transaction } from './checkpoints';
import { Backoff, describeError, passesByItself, pause, reaching } from './failures';
import type { Projection, ProjectionStatus } from './projection';
import { fold, type RowChange } from './row-change';
import { type Move, RowWriter } from './row-writer';

/** Milliseconds between two signs of life of a process among others, and without one after which it counts as away. */
const signOfLife = 1000;
const away = 5000;
/** Milliseconds after which a checkpoint that nobody keeps alive counts as abandoned. */
const abandoned = 60_000;

export type CommitListener = (projection: string, events: readonly Recorded[]) => void;

export interface ProjectionObserver {
  /** An event cannot be applied; told again at every attempt. */
  stalled?(projection: string, event: string | null, error: string): void;
  /** Anything else that is tried again: an outage, a race that was lost. */
  retried?(projection: string, error: string): void;
  committed?(projection: string, events: number, millis: number): void;
}

export interface ProjectionRunnerOptions {
  readonly observer?: ProjectionObserver;
  /** How long a cursor that moved without rows may stay unwritten, and how often foreign changes are looked for. */
  readonly tickMillis?: number;
  /**
   * Other processes run further projections, which `passed` waits for as well. Every process then shows by its
   * checkpoints that it is alive: who is away is not waited for, because nobody reads its rows through it meanwhile.
   */
  readonly amongOthers?: boolean;
}

/**
 * Runs projections: follows the log, computes the changes of a batch, and moves rows and cursor in one transaction.
 *
 * - No leader is needed. The cursor moves by compare-and-set; who loses starts over from where the winner stands.
 * - All handlers of a batch have run before the transaction opens; it is one command as long as there are no statements.
 * - An event that cannot be applied stops its projection, which tries again at growing intervals, and is noted in the
 *   checkpoint row; nothing is skipped unless an operator says so. Other projections go on.
 * - A batch without rows moves the cursor in memory at once and in the table within `tickMillis`.
 * - A raised version empties the tables and the cursor in one short transaction (a long one would hold up everybody who
 *   follows the log) and fills them again: readers see the rows grow from the first event until they are complete.
 * - Commits do not wait for the disk: after a crash of the database rows and cursor may be a little older, together,
 *   which the runner notices within `tickMillis` and makes good from the log.
 */
export class ProjectionRunner {
  private readonly writer = new RowWriter();
  private readonly stopping = new AbortController();
  private readonly listeners = new Set<CommitListener>();
  private readonly running: Running[] = [];
  private readonly context: Context;

  constructor(
    private readonly dataSource: DataSource,
    private readonly store: EventStore,
    boxes: PersonalBoxes,
    private readonly options: ProjectionRunnerOptions = {},
  ) {
    this.context = {
      store,
      boxes,
      writer: this.writer,
      observer: options.observer ?? {},
      connected: (use) => this.connected(use),
      committed: (projection, events) => {
        for (const listener of this.listeners) {
          try {
            listener(projection, events);
          } catch (error) {
            options.observer?.retried?.(projection, describeError(error));
          }
        }
      },
    };
  }

  start(projections: readonly Projection[]): void {
    for (const projection of projections) {
      if (this.running.some(({ name }) => name === projection.name))
        throw new Error(`two projections ${projection.name}`);
      this.running.push(new Running(projection, this.context, this.stopping.signal));
    }
    for (const projection of this.running) projection.start();
    this.ticking ??= this.tick();
  }

  /** Finishes what is being written, writes the cursors that moved without rows, and ends. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.running.map((projection) => projection.ended()));
    await this.ticking;
    await this.lookAfter().catch(() => undefined);
  }

  /**
   * Resolves when all projections have committed up to `cursor`: from then on readers see what it stands for. Where
   * this process runs projections it waits for these, and where it has none, or is among others, for the checkpoints
   * that other processes keep moving.
   * A projection that an event has stopped is not waited for: one poisonous event must not hold up every command.
   * Throws `Unavailable` when the runner stops.
   */
  async passed(cursor: string | null): Promise<void> {
    if (cursor === null) return;
    await this.passedHere(cursor);
    if (this.running.length === 0 || this.options.amongOthers) await this.passedElsewhere(cursor);
  }

  /** The same for the projections of this process alone. */
  async passedHere(cursor: string | null): Promise<void> {
    if (cursor !== null) await Promise.all(this.running.map((projection) => projection.passed(cursor)));
  }

  /** Calls `listener` after each commit with the events of the batch. Answers how to end that. */
  onCommitted(listener: CommitListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  status(): ProjectionStatus[] {
    return this.running.map((projection) => projection.status());
  }

  /** The operator's way past an event that can never be applied. Answers its id, or null if nothing is stopped. */
  async skip(name: string): Promise<string | null> {
    const skipped = await reaching(() => this.connected((client) => skipStalled(client, name)));
    this.running.find((projection) => projection.name === name)?.tryNow();
    return skipped;
  }

  /** Makes the rows anew from the first event, also those of events that were skipped. False: no such projection. */
  async rebuild(name: string): Promise<boolean> {
    const known = await reaching(() => this.connected((client) => rebuild(client, name)));
    this.running.find((projection) => projection.name === name)?.restart();
    return known;
  }

  private ticking: Promise<void> | null = null;

  private async tick(): Promise<void> {
    const { signal } = this.stopping;
    for (let shown = 0; ;) {
      await pause(this.options.tickMillis ?? 1000, signal);
      if (signal.aborted) return;
      // An outage is met by the projections themselves.
      await this.lookAfter().catch(() => undefined);
      if (!this.options.amongOthers || performance.now() - shown < signOfLife) continue;
      shown = performance.now();
      await this.showLife().catch(() => undefined);
    }
  }

  private async showLife(): Promise<void> {
    await this.dataSource.query('update engine.checkpoint set moved_at = now() where name = any($1)', [
      this.running.map(({ name }) => name),
    ]);
  }

  /** Writes cursors that moved without rows and finds those that somebody else has moved. */
  private async lookAfter(): Promise<void> {
    if (this.running.length === 0) return;
    const rows = await this.dataSource.query<Checkpoint[]>(
      'select name, version, cursor from engine.checkpoint where name = any($1)',
      [this.running.map(({ name }) => name)],
    );
    for (const row of rows) await this.running.find(({ name }) => name === row.name)?.compare(row);
  }

  private async passedElsewhere(cursor: string): Promise<void> {
    const { signal } = this.stopping;
    const backoff = new Backoff(5, 100);
    while (!signal.aborted) {
      try {
        // A checkpoint that stood still for so long belongs to a projection that nobody runs.
        const rows = await this.dataSource.query<Array<{ cursor: string | null }>>(
          `select cursor from engine.checkpoint
            where kind = 'projection' and stalled_since is null and name <> all($2)
              and moved_at > now() - $1 * interval '1 millisecond'`,
          [this.options.amongOthers ? away : abandoned, this.running.map(({ name }) => name)],
        );
        if (rows.every((row) => this.store.reached(row.cursor, cursor))) return;
      } catch (error) {
        if (!passesByItself(error)) throw error;
      }
      await backoff.wait(signal);
    }
    throw new Unavailable('projections');
  }

  private async connected<T>(use: (client: PoolClient) => Promise<T>): Promise<T> {
    const runner = this.dataSource.createQueryRunner();
    try {
      return await use((await runner.connect()) as PoolClient);
    } finally {
      await runner.release();
    }
  }
}

interface Context {
  readonly store: EventStore;
  readonly boxes: PersonalBoxes;
  readonly writer: RowWriter;
  readonly observer: ProjectionObserver;
  readonly committed: CommitListener;
  connected<T>(use: (client: PoolClient) => Promise<T>): Promise<T>;
}

interface Checkpoint {
  readonly name: string;
  readonly version: number;
  readonly cursor: string | null;
  readonly skipped?: string[];
}

/** Somebody else moved the cursor: start over from where it stands. */
class Overtaken extends Error {}

/** An event that cannot be applied. */
class Poison extends Error {
  constructor(
    readonly event: Recorded | null,
    override readonly cause: unknown,
  ) {
    super('an event cannot be applied');
  }
}

/** One projection at work. */
class Running {
  readonly name: string;
  /** What the row says, as far as we know. */
  private written: string | null = null;
  /** How far we have come: ahead of `written` by batches without rows. */
  private seen: string | null = null;
  private skipped: ReadonlySet<string> = new Set();
  private stall: { error: string; event: string | null; since: number; attempts: number } | null = null;
  private standby = false;
  private round = new AbortController();
  private retry = new AbortController();
  private work: Promise<void> | null = null;
  private turn: Promise<unknown> = Promise.resolve();
  private waiting: Array<{ cursor: string; done: () => void; failed: (error: Error) => void }> = [];

  constructor(
    private readonly projection: Projection,
    private readonly context: Context,
    private readonly stopping: AbortSignal,
  ) {
    this.name = projection.name;
  }

  start(): void {
    this.work ??= this.run();
  }

  async ended(): Promise<void> {
    this.round.abort();
    this.retry.abort();
    await this.work;
    await this.turn.catch(() => undefined);
    for (const { failed } of this.waiting.splice(0)) failed(new Unavailable('projections'));
  }

  passed(cursor: string): Promise<void> {
    if (this.stopping.aborted) return Promise.reject(new Unavailable('projections'));
    if (this.isPast(cursor)) return Promise.resolve();
    return new Promise((done, failed) => this.waiting.push({ cursor, done, failed }));
  }

  status(): ProjectionStatus {
    const { name, version } = this.projection;
    const state = this.standby ? 'standby' : this.stall ? 'stalled' : 'running';
    const { error = null, event = null, since: stalledSince = null } = this.stall ?? {};
    return { name, version, cursor: this.seen, state, error, event, stalledSince };
  }

  /** Ends the round: the next one begins from the row. */
  restart(): void {
    this.round.abort();
    this.retry.abort();
  }

  /** Cuts short the wait before the next attempt. */
  tryNow(): void {
    this.retry.abort();
  }

  /** Compares with the row: somebody else's move means a new round; a cursor that moved without rows is written. */
  async compare(row: Checkpoint): Promise<void> {
    await this.inTurn(async () => {
      if (this.round.signal.aborted && !this.stopping.aborted) return;
      if (row.version !== this.projection.version || row.cursor !== this.written) {
        // The row may have been read before our own last write.
        const now = await this.context.connected((client) => this.readRow(client));
        if (now?.version !== this.projection.version || now.cursor !== this.written) return this.restart();
      }
      if (this.standby || this.seen === null || this.seen === this.written) return;
      const move = { ...this.key(), from: this.written, to: this.seen };
      if (await this.context.connected((client) => this.context.writer.advance(client, move))) this.written = move.to;
      else this.restart();
    });
  }

  private async run(): Promise<void> {
    const backoff = new Backoff(50, 2000);
    while (!this.stopping.aborted) {
      this.round = new AbortController();
      if (this.stopping.aborted) return;
      const { signal } = this.round;
      try {
        if (!(await this.load())) {
          await pause(250, signal);
          continue;
        }
        for await (const batch of this.context.store.follow(this.projection.categories, this.seen, signal)) {
          await this.take(batch, signal);
          backoff.reset();
          if (signal.aborted) break;
        }
      } catch (error) {
        if (error instanceof Overtaken || signal.aborted) continue;
        this.context.observer.retried?.(this.name, describeError(error));
        await backoff.wait(signal);
      }
    }
  }

  /** Reads the row, makes it if missing, and starts a rebuild when our version is newer. False: another's is. */
  private async load(): Promise<boolean> {
    const { version, tables } = this.projection;
    return this.inTurn(() =>
      this.context.connected(async (client) => {
        await client.query(
          `insert into engine.checkpoint (name, version, kind, tables) values ($1, $2, 'projection', $3) on conflict do nothing`,
          [this.name, version, tables],
        );
        let row = await this.readRow(client);
        if (row && row.version < version) {
          await empty(client, this.name, version, tables, row.version);
          row = await this.readRow(client);
        }
        this.standby = row?.version !== version;
        this.written = row?.cursor ?? null;
        this.seen = this.written;
        this.skipped = new Set(row?.skipped);
        this.stall = null;
        this.tell();
        return !this.standby;
      }),
    );
  }

  private async readRow(client: PoolClient): Promise<Checkpoint | undefined> {
    const { rows } = await client.query<Checkpoint>(
      'select name, version, cursor, skipped from engine.checkpoint where name = $1',
      [this.name],
    );
    return rows[0];
  }

  /** Applies one batch, however often it takes. */
  private async take(batch: Batch, signal: AbortSignal): Promise<void> {
    const outage = new Backoff(50, 1000);
    const poison = new Backoff(50, 30_000);
    for (;;) {
      try {
        await this.inTurn(() => this.apply(batch));
        this.stall = null;
        this.tell();
        if (batch.events.length > 0) this.context.committed(this.name, batch.events);
        return;
      } catch (error) {
        if (error instanceof Overtaken || signal.aborted) throw error;
        if (error instanceof Poison) await this.note(error);
        else this.context.observer.retried?.(this.name, describeError(error));
        this.context.writer.forget();
        this.retry = new AbortController();
        await (error instanceof Poison ? poison : outage).wait(AbortSignal.any([this.retry.signal, signal]));
        if (signal.aborted) throw error;
        if (this.stall) await this.refreshSkipped();
      }
    }
  }

  private async apply(batch: Batch): Promise<void> {
    const startedAt = performance.now();
    const events = batch.events.filter(({ id, type }) => this.projection.on[type] && !this.skipped.has(id));
    const changes = await this.changesOf(events);
    const steps = fold(changes.flat());
    if (steps.length === 0 && !this.stall) {
      this.seen = batch.cursor;
      return;
    }
    const move = { ...this.key(), from: this.written, to: batch.cursor };
    const { writer } = this.context;
    await this.context.connected(async (client) => {
      const [step] = steps;
      try {
        let moved: boolean;
        if (!step) moved = await writer.advance(client, move);
        else if (steps.length === 1 && step.kind === 'rows') moved = await writer.move(client, move, step.changes);
        else {
          moved = await transaction(client, async () => {
            if (!(await writer.advance(client, move))) return false;
            for (const each of steps) await writer.write(client, each);
            return true;
          });
        }
        if (!moved) throw new Overtaken();
      } catch (error) {
        if (error instanceof Overtaken || passesByItself(error)) throw error;
        await this.oneByOne(client, move, events, changes);
      }
    });
    this.written = this.seen = batch.cursor;
    this.context.observer.committed?.(this.name, batch.events.length, performance.now() - startedAt);
  }

  /** Together the changes failed: what one after the other still does counts, and otherwise the first to fail is found. */
  private async oneByOne(
    client: PoolClient,
    move: Move,
    events: readonly Recorded[],
    changes: readonly (readonly RowChange[])[],
  ): Promise<void> {
    const { writer } = this.context;
    writer.forget();
    const moved = await transaction(client, async () => {
      if (!(await writer.advance(client, move))) return false;
      for (const [index, event] of events.entries()) {
        try {
          for (const change of changes[index] ?? [])
            for (const step of fold([change])) await writer.write(client, step);
        } catch (error) {
          throw passesByItself(error) ? error : new Poison(event, error);
        }
      }
      return true;
    });
    if (!moved) throw new Overtaken();
  }

  /** Handlers may wait for the key store: those of some events at a time do so together. */
  private async changesOf(events: readonly Recorded[]): Promise<Array<readonly RowChange[]>> {
    const changes: Array<readonly RowChange[]> = [];
    for (let from = 0; from < events.length; from += 32) {
      const some = events.slice(from, from + 32);
      const settled = await Promise.allSettled(
        some.map(async (event) => this.projection.on[event.type]?.(event, this.context.boxes) ?? []),
      );
      for (const [index, outcome] of settled.entries()) {
        if (outcome.status === 'fulfilled') changes.push(outcome.value);
        else if (passesByItself(outcome.reason)) throw outcome.reason;
        else throw new Poison(some[index] ?? null, outcome.reason);
      }
    }
    return changes;
  }

  /** Notes in the checkpoint row what stops the projection. */
  private async note({ event, cause }: Poison): Promise<void> {
    const error = describeError(cause);
    this.stall = {
      error,
      event: event?.id ?? null,
      since: this.stall?.since ?? Date.now(),
      attempts: (this.stall?.attempts ?? 0) + 1,
    };
    this.tell();
    this.context.observer.stalled?.(this.name, this.stall.event, error);
    await this.context
      .connected((client) =>
        client.query(
          `update engine.checkpoint set error = $4, stalled_event = $5, stalled_since = coalesce(stalled_since, now())
            where name = $1 and version = $2 and cursor is not distinct from $3 and ($5::text is null or $5 <> all(skipped))`,
          [this.name, this.projection.version, this.written, error, this.stall?.event],
        ),
      )
      .catch(() => undefined);
  }

  private async refreshSkipped(): Promise<void> {
    const row = await this.context.connected((client) => this.readRow(client)).catch(() => undefined);
    if (row) this.skipped = new Set(row.skipped);
  }

  private key() {
    return { name: this.name, version: this.projection.version };
  }

  private isPast(cursor: string): boolean {
    return (this.stall?.attempts ?? 0) >= 5 || this.context.store.reached(this.seen, cursor);
  }

  private tell(): void {
    if (this.waiting.length === 0) return;
    const past = this.waiting.filter(({ cursor }) => this.isPast(cursor));
    if (past.length === 0) return;
    this.waiting = this.waiting.filter((waiter) => !past.includes(waiter));
    for (const { done } of past) done();
  }

  /** What reads or moves the cursor goes one after the other. */
  private inTurn<T>(act: () => Promise<T>): Promise<T> {
    const mine = this.turn.then(act, act);
    this.turn = mine.catch(() => undefined);
    return mine;
  }
}
