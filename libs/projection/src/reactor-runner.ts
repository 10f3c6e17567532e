import { setMaxListeners } from 'node:events';
import { type Batch, type EventStore, type Recorded, Unavailable } from '@symbolon/kernel';
import { correlate } from '@symbolon/observe';
import type { DataSource } from 'typeorm';
import { Backoff, describeError, passesByItself, pause } from './failures';

/**
 * Reacts to events. A handler is called at least once for every event, in order within a stream, and again after a crash:
 * what it writes must have ids that derive from the event's.
 */
export interface Reactor {
  /** `context.when-this-then-that`; names the cursor. */
  readonly name: string;
  readonly categories: readonly string[];
  readonly on: Readonly<Record<string, (event: Recorded) => Promise<void>>>;
}

export interface ReactorRunnerOptions {
  /** A handler threw and is called again: `attempt` counts from 1. */
  readonly observer?: (reactor: string, event: Recorded, error: string, attempt: number) => void;
  /** Streams that one reactor handles at a time. */
  readonly concurrency?: number;
  /** How soon a moved cursor is written. */
  readonly persistMillis?: number;
}

/**
 * Runs reactors, each with a cursor of its own. Streams of a batch are handled beside each other, the events of one
 * stream one after the other; a handler that throws is called again at growing intervals (50 ms to 10 s, in an outage to 1 s) and holds up
 * its reactor, nothing else. The cursor is written soon after a batch was handled.
 */
export class ReactorRunner {
  private readonly stopping = new AbortController();
  private readonly running: Running[] = [];
  private saving: Promise<void> | null = null;
  private moved: () => void = () => undefined;

  constructor(
    private readonly dataSource: DataSource,
    private readonly store: EventStore,
    private readonly options: ReactorRunnerOptions = {},
  ) {
    // As many listeners as reactors are right.
    setMaxListeners(0, this.stopping.signal);
  }

  start(reactors: readonly Reactor[]): void {
    for (const reactor of reactors) {
      if (this.running.some(({ name }) => name === reactor.name)) throw new Error(`two reactors ${reactor.name}`);
      const { signal } = this.stopping;
      this.running.push(new Running(reactor, this.dataSource, this.store, signal, this.options, () => this.moved()));
    }
    this.saving ??= this.keepSaving();
  }

  /** Waits for the handlers that are running, writes the cursors, and ends. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.moved();
    await Promise.all(this.running.map((reactor) => reactor.ended));
    await this.saving;
    await this.save();
  }

  /** Resolves when every reactor of this process has handled everything up to `cursor`. */
  async passed(cursor: string | null): Promise<void> {
    if (cursor !== null) await Promise.all(this.running.map((reactor) => reactor.passed(cursor)));
  }

  status(): Array<{ name: string; cursor: string | null; error: string | null }> {
    return this.running.map(({ name, handled, error }) => ({ name, cursor: handled, error }));
  }

  private async keepSaving(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      if (!this.running.some(({ unsaved }) => unsaved)) await new Promise<void>((resolve) => (this.moved = resolve));
      await pause(this.options.persistMillis ?? 200, signal);
      await this.save();
    }
  }

  /** A cursor that was not written is written at the next turn; until then a restart repeats what is idempotent. */
  private async save(): Promise<void> {
    const cursors = this.running.filter(({ unsaved }) => unsaved).map((reactor) => [reactor, reactor.handled] as const);
    if (cursors.length === 0) return;
    try {
      await this.dataSource.query(
        `insert into engine.checkpoint (name, kind, cursor)
         select name, 'reactor', cursor from unnest($1::text[], $2::text[]) c(name, cursor) order by name
             on conflict (name) do update set cursor = excluded.cursor, moved_at = now()`,
        [cursors.map(([reactor]) => reactor.row), cursors.map(([, cursor]) => cursor)],
      );
      for (const [reactor, cursor] of cursors) reactor.written = cursor;
    } catch {
      // The database is away.
    }
  }
}

class Running {
  readonly name: string;
  readonly ended: Promise<void>;
  handled: string | null = null;
  error: string | null = null;
  written: string | null = null;
  private waiting: Array<{ cursor: string; done: () => void; failed: (error: Error) => void }> = [];

  constructor(
    private readonly reactor: Reactor,
    private readonly dataSource: DataSource,
    private readonly store: EventStore,
    private readonly stopping: AbortSignal,
    private readonly options: ReactorRunnerOptions,
    private readonly moved: () => void,
  ) {
    this.name = reactor.name;
    this.ended = this.run();
  }

  passed(cursor: string): Promise<void> {
    if (this.store.reached(this.handled, cursor)) return Promise.resolve();
    if (this.stopping.aborted) return Promise.reject(new Unavailable('reactors'));
    return new Promise((done, failed) => this.waiting.push({ cursor, done, failed }));
  }

  private async run(): Promise<void> {
    const backoff = new Backoff(50, 2000);
    let loaded = false;
    while (!this.stopping.aborted) {
      try {
        if (!loaded) {
          this.handled = this.written = await this.load();
          loaded = true;
        }
        for await (const batch of this.store.follow(this.reactor.categories, this.handled, this.stopping)) {
          await this.handle(batch);
          if (this.stopping.aborted) break;
          this.handled = batch.cursor;
          this.moved();
          this.tell();
          backoff.reset();
        }
      } catch (error) {
        this.error = describeError(error);
        await backoff.wait(this.stopping);
      }
    }
    for (const { failed } of this.waiting.splice(0)) failed(new Unavailable('reactors'));
  }

  private async handle(batch: Batch): Promise<void> {
    const streams = new Map<string, Recorded[]>();
    for (const event of batch.events) {
      if (!this.reactor.on[event.type]) continue;
      const events = streams.get(event.stream);
      if (events) events.push(event);
      else streams.set(event.stream, [event]);
    }
    const queue = streams.values();
    const lane = async () => {
      for (const events of queue) for (const event of events) await this.untilHandled(event);
    };
    await Promise.all(Array.from({ length: Math.min(streams.size, this.options.concurrency ?? 32) }, lane));
  }

  private untilHandled(event: Recorded): Promise<void> {
    const { correlationId, commandId } = event.meta;
    return correlate({ correlationId, ...(commandId === null ? {} : { commandId }) }, () => this.insistOn(event));
  }

  private async insistOn(event: Recorded): Promise<void> {
    const outage = new Backoff(50, 1000);
    const fault = new Backoff(50, 10_000);
    for (let attempt = 1; !this.stopping.aborted; attempt++) {
      try {
        await this.reactor.on[event.type]?.(event);
        this.error = null;
        return;
      } catch (error) {
        this.error = describeError(error);
        this.options.observer?.(this.name, event, this.error, attempt);
        await (passesByItself(error) ? outage : fault).wait(this.stopping);
      }
    }
  }

  private async load(): Promise<string | null> {
    const [row] = await this.dataSource.query<Array<{ cursor: string | null }>>(
      'select cursor from engine.checkpoint where name = $1',
      [this.row],
    );
    return row?.cursor ?? null;
  }

  /** Names the cursor's row. */
  get row(): string {
    return `reactor.${this.name}`;
  }

  get unsaved(): boolean {
    return this.handled !== this.written;
  }

  private tell(): void {
    if (this.waiting.length === 0) return;
    const past = new Set(this.waiting.filter(({ cursor }) => this.store.reached(this.handled, cursor)));
    this.waiting = this.waiting.filter((waiter) => !past.has(waiter));
    for (const { done } of past) done();
  }
}
