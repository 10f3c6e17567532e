import type { Logger } from '@symbolon/observe';
import type { Pool, PoolClient } from 'pg';

/** How far a command has come: `done` of `total` parts of its work. */
export interface ProgressReport {
  readonly commandId: string;
  readonly done: number;
  readonly total: number;
}

type Listener = (report: ProgressReport) => void;

const channel = 'symbolon_progress';
/** Milliseconds between two reports of one command that leave the process; the last one always leaves. */
const pace = 250;
const pauseBetweenTries = 1000;

/**
 * Tells clients that asked for progress how far a command has come (contract, section 5). Nothing hangs on a report: one
 * may be lost or come twice, and none is kept. `report` returns at once and never throws.
 */
export class Progress {
  private readonly listeners = new Set<Listener>();
  private readonly held = new Map<string, { latest: ProgressReport | null; readonly timer: NodeJS.Timeout }>();
  private link: PoolClient | null = null;
  private retry: NodeJS.Timeout | undefined;
  private stopped = false;

  /** With a database, what is reported in one process is told by every other one as well. */
  constructor(
    private readonly shared: Pick<Pool, 'query' | 'connect'> | null = null,
    private readonly log?: Logger,
  ) {}

  report(commandId: string, { done, total }: { readonly done: number; readonly total: number }): void {
    if (this.stopped) return;
    const report = { commandId, done, total };
    const entry = this.held.get(commandId);
    if (entry && done < total) {
      entry.latest = report;
      return;
    }
    clearTimeout(entry?.timer);
    this.held.delete(commandId);
    if (done < total) this.hold(commandId);
    this.send(report);
  }

  /** Answers how to end it. */
  listen(listener: Listener): () => void {
    this.listeners.add(listener);
    if (this.shared && this.listeners.size === 1) void this.connect();
    return () => this.listeners.delete(listener);
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.retry);
    for (const { timer } of this.held.values()) clearTimeout(timer);
    this.held.clear();
    this.link?.release(true);
    this.link = null;
  }

  private hold(commandId: string): void {
    const timer = setTimeout(() => {
      const latest = this.held.get(commandId)?.latest ?? null;
      this.held.delete(commandId);
      if (!latest) return;
      this.hold(commandId);
      this.send(latest);
    }, pace);
    timer.unref();
    this.held.set(commandId, { latest: null, timer });
  }

  private send(report: ProgressReport): void {
    if (!this.shared) return this.tell(report);
    this.shared.query('select pg_notify($1, $2)', [channel, JSON.stringify(report)]).catch(() => undefined);
  }

  private tell(report: ProgressReport): void {
    for (const listener of this.listeners) listener(report);
  }

  private async connect(): Promise<void> {
    if (this.stopped || !this.shared) return;
    let client: PoolClient | null = null;
    try {
      client = await this.shared.connect();
      await client.query(`listen ${channel}`);
      if (this.stopped) return client.release(true);
      const connected = client;
      connected.on('notification', ({ payload }) => {
        const report = parsed(payload);
        if (report) this.tell(report);
      });
      connected.once('error', () => {
        this.link = null;
        connected.release(true);
        this.again();
      });
      this.link = connected;
    } catch (error) {
      client?.release(true);
      this.log?.warn({ error }, 'progress of other processes is not heard for now');
      this.again();
    }
  }

  private again(): void {
    if (this.stopped) return;
    this.retry = setTimeout(() => void this.connect(), pauseBetweenTries);
    this.retry.unref();
  }
}

/** Whoever may use the database may notify: what is no report is none. */
function parsed(payload: string | undefined): ProgressReport | null {
  try {
    const { commandId, done, total } = JSON.parse(payload ?? '') as Partial<ProgressReport>;
    const right = typeof commandId === 'string' && Number.isSafeInteger(done) && Number.isSafeInteger(total);
    return right ? { commandId, done: done!, total: total! } : null;
  } catch {
    return null;
  }
}
