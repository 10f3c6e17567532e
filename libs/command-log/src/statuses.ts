import type { CommandAccepted } from '@symbolon/contracts';
import type { PersonalBoxes } from '@symbolon/crypto';
import { type Clock, type EventStore, Gathered, instant, type Recorded } from '@symbolon/kernel';
import type { ProjectionRunner } from '@symbolon/projection';
import type { DataSource } from 'typeorm';
import { commandStatus } from './command-status.projection';

export interface CommandStatus {
  readonly commandId: string;
  readonly type: string;
  readonly profileId: string | null;
  readonly applicationId: string | null;
  readonly anonymous: boolean;
  readonly partOf: string | null;
  readonly requestId: string | null;
  readonly status: 'started' | 'pending_vote' | 'succeeded' | 'rejected';
  readonly reason: string | null;
  /** The result object as the API shows it; null unless succeeded. */
  readonly body: object | null;
  /** The poll still open for it, else the last one; null when none was opened. */
  readonly poolId: string | null;
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** Turns a reduced result (ids in place of tokens and URLs) into what the API shows. */
export type Presenter = (result: Record<string, unknown>, profileId: string) => Promise<object>;

interface Row {
  command_id: string;
  type: string;
  profile_id: string | null;
  application_id: string | null;
  anonymous: boolean;
  part_of: string | null;
  request_id: string | null;
  status: CommandStatus['status'];
  reason: string | null;
  result: { id: string; data: unknown } | null;
  pool_id: string | null;
  created_at: Date;
  updated_at: Date;
}

/** No further change. */
export function isFinalStatus(status: CommandStatus['status']): boolean {
  return status === 'succeeded' || status === 'rejected';
}

const days30 = 30 * 24 * 3600;

/** The status read model: what became of a command, and waiting for its end. */
export class CommandStatuses {
  private readonly presenters = new Map<string, Presenter>();
  private readonly rows = new Gathered((commandIds: readonly string[]) => this.rowsOf(commandIds));
  private stopped = false;
  private readonly waiting = new Map<string, Set<() => void>>();

  constructor(
    private readonly dataSource: DataSource,
    private readonly store: EventStore,
    private readonly boxes: PersonalBoxes,
    private readonly clock: Clock,
    runner: ProjectionRunner,
  ) {
    runner.onCommitted((projection, events) => {
      if (projection === commandStatus.name) this.wake(events);
    });
  }

  /** Whoever waits is answered with what is known now. */
  stop(): void {
    this.stopped = true;
    for (const listeners of this.waiting.values()) for (const done of listeners) done();
  }

  /** How results of these command types are shown. */
  present(types: readonly string[], presenter: Presenter): void {
    for (const type of types) this.presenters.set(type, presenter);
  }

  /** Null when the id is unknown or the command ended more than 30 days ago. */
  async find(commandId: string): Promise<CommandStatus | null> {
    const row = await this.rows.ask(commandId);
    // What was answered 202 is known at once, also before the projection has come to it.
    if (!row) return this.justAccepted(commandId);
    const status = await this.statusOf(row);
    return isFinalStatus(status.status) && status.updatedAt < this.clock.after(-days30) ? null : status;
  }

  private async rowsOf(commandIds: readonly string[]): Promise<Array<Row | undefined>> {
    const rows = await this.dataSource.query<Row[]>(
      // Ids of polls rise with time. Once the status is final, polls that are yet to be cancelled change it no more.
      `select s.*, (select p.pool_id from command_log.command_poll p where p.command_id = s.command_id
                     order by p.open and s.status not in ('succeeded', 'rejected') desc, p.pool_id desc
                     limit 1) as pool_id
         from command_log.command_status s where s.command_id = any($1)`,
      [commandIds],
    );
    const known = new Map(rows.map((row) => [row.command_id, row]));
    return commandIds.map((id) => known.get(id));
  }

  private async justAccepted(commandId: string): Promise<CommandStatus | null> {
    for await (const event of this.store.read(`command-${commandId}`)) {
      if (event.type !== 'command.accepted') continue;
      const { commandType: type, profileId, anonymous, partOf, requestId } = event.data as CommandAccepted['data'];
      return {
        commandId,
        type,
        profileId,
        applicationId: event.meta.actor.applicationId ?? null,
        anonymous,
        partOf,
        requestId,
        status: 'started',
        reason: null,
        body: null,
        poolId: null,
        createdAt: event.recordedAt,
        updatedAt: event.recordedAt,
      };
    }
    return null;
  }

  /** Resolves with the final status, or null when it is not final within `millis` (or the signal aborts). */
  async untilFinal(commandId: string, millis: number, signal?: AbortSignal): Promise<CommandStatus | null> {
    const deadline = performance.now() + millis;
    for (;;) {
      let done: () => void = () => undefined;
      const woken = new Promise<void>((resolve) => (done = resolve));
      this.listen(commandId, done);
      let timer: NodeJS.Timeout | undefined;
      try {
        const row = await this.rows.ask(commandId);
        if (row && isFinalStatus(row.status)) return await this.statusOf(row);
        const left = deadline - performance.now();
        if (left <= 0 || signal?.aborted || this.stopped) return null;
        signal?.addEventListener('abort', done, { once: true });
        // Another process may run the projection: then no wake-up comes.
        timer = setTimeout(done, Math.min(left, 500));
        await woken;
      } finally {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        this.unlisten(commandId, done);
      }
    }
  }

  private async statusOf(row: Row): Promise<CommandStatus> {
    return {
      commandId: row.command_id,
      type: row.type,
      profileId: row.profile_id,
      applicationId: row.application_id,
      anonymous: row.anonymous,
      partOf: row.part_of,
      requestId: row.request_id,
      status: row.status,
      reason: row.reason,
      body: row.status === 'succeeded' ? await this.bodyOf(row) : null,
      poolId: row.pool_id,
      createdAt: instant(row.created_at.getTime()),
      updatedAt: instant(row.updated_at.getTime()),
    };
  }

  private async bodyOf({ command_id, type, profile_id, result }: Row): Promise<object | null> {
    if (!result || !profile_id) return null;
    const box = { ...result, type: 'command.succeeded', stream: `command-${command_id}` } as unknown as Recorded;
    const fields = await this.boxes.open(box, profile_id);
    const reduced = fields?.['result'];
    if (!reduced || typeof reduced !== 'object') return null;
    const presenter = this.presenters.get(type);
    return presenter ? presenter(reduced as Record<string, unknown>, profile_id) : reduced;
  }

  private wake(events: readonly Recorded[]): void {
    for (const { type, data } of events) {
      if (type !== 'command.succeeded' && type !== 'command.rejected') continue;
      const listeners = this.waiting.get((data as { commandId: string }).commandId);
      if (listeners) for (const done of listeners) done();
    }
  }

  private listen(commandId: string, done: () => void): void {
    const listeners = this.waiting.get(commandId) ?? new Set();
    listeners.add(done);
    this.waiting.set(commandId, listeners);
  }

  private unlisten(commandId: string, done: () => void): void {
    const listeners = this.waiting.get(commandId);
    listeners?.delete(done);
    if (listeners?.size === 0) this.waiting.delete(commandId);
  }
}
