import type { CommandAccepted, GateOpened } from '@symbolon/contracts';
import { operationDigest, type PersonalBoxes, sameSecret } from '@symbolon/crypto';
import type { Actor, Batch, Cause, Client, EventStore, Recorded } from '@symbolon/kernel';
import { isOutage, Unavailable } from '@symbolon/kernel';
import { correlate } from '@symbolon/observe';
import type { CommandBus } from '@nestjs/cqrs';
import type { DataSource } from 'typeorm';
import { commandClass, type Context, type HandlerResult } from './command-type';
import type { Commands } from './commands';

export interface WorkerLog {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

const maxFaults = 5;

/**
 * Runs cleared commands. Many are in flight at once; the cursor that survives a restart never moves past one that has
 * not ended, so a command that was interrupted is run again: its effects derive from its id and come once.
 */
export class CommandWorker {
  private readonly stopping = new AbortController();
  private running: Promise<void> | null = null;
  private inFlight = 0;
  private readonly slots: Array<() => void> = [];
  private readonly open: Array<{ cursor: string; left: number }> = [];
  private saved: string | null = null;
  private done: string | null = null;

  constructor(
    private readonly store: EventStore,
    private readonly boxes: PersonalBoxes,
    private readonly bus: CommandBus,
    private readonly commands: Commands,
    private readonly dataSource: DataSource,
    private readonly log: WorkerLog,
    /** Commands in flight at a time. */
    private readonly atOnce = 512,
    /** Where its cursor is kept: of several processes that run different commands, each has its own. */
    private readonly checkpoint = 'worker.command-log',
  ) {}

  start(): void {
    // Who waits for a part of itself gives its place away meanwhile: the part needs one too.
    this.commands.onPart = { begun: () => this.release(), ended: () => void this.inFlight++ };
    this.running ??= this.work();
  }

  /** Stops taking commands and waits for those in flight that can end soon; the rest runs again at the next start. */
  async stop(): Promise<void> {
    this.stopping.abort();
    for (const next of this.slots.splice(0)) next();
    await this.running;
    await this.save();
  }

  private async work(): Promise<void> {
    const { signal } = this.stopping;
    let at = await this.load(signal);
    this.saved = at;
    this.done = at;
    const saver = setInterval(() => void this.save(), 200);
    for (let wait = 50; !signal.aborted; wait = Math.min(wait * 2, 2000)) {
      try {
        for await (const batch of this.store.follow(['command'], at, signal)) {
          if (!(await this.take(batch))) break;
          at = batch.cursor;
          wait = 50;
        }
      } catch (error) {
        this.log.error({ error: nameOf(error) }, 'reading the log failed and goes on where it stopped');
        await pause(wait, signal);
      }
    }
    clearInterval(saver);
  }

  /** Sets the batch's commands going. False when the worker stops in between: then the batch comes again. */
  private async take({ events, cursor }: Batch): Promise<boolean> {
    const entry = { cursor, left: 1 };
    this.open.push(entry);
    for (const event of events) {
      if (event.type !== 'command.accepted') {
        this.commands.notice(event.type, (event.data as { commandId: string }).commandId);
      }
      if (event.type !== 'command.cleared') continue;
      await this.slot();
      if (this.stopping.signal.aborted) return false;
      entry.left++;
      void this.run(event.stream).then((ended) => {
        this.release();
        if (ended) this.leave(entry);
      });
    }
    this.leave(entry);
    return true;
  }

  private leave(entry: { left: number }): void {
    entry.left--;
    while (this.open[0]?.left === 0) this.done = this.open.shift()!.cursor;
  }

  private async slot(): Promise<void> {
    if (this.inFlight < this.atOnce) {
      this.inFlight++;
      return;
    }
    await new Promise<void>((resolve) => this.slots.push(resolve));
  }

  private release(): void {
    const next = this.slots.shift();
    if (next) next();
    else this.inFlight--;
  }

  /** True when the command has ended or somebody else will end it; false when the worker stops before that. */
  private run(stream: string): Promise<boolean> {
    const commandId = stream.slice('command-'.length);
    return correlate({ correlationId: commandId, commandId }, () => this.untilEnded(stream));
  }

  private async untilEnded(stream: string): Promise<boolean> {
    let faults = 0;
    for (let attempt = 0; ; attempt++) {
      try {
        await this.execute(stream);
        return true;
      } catch (error) {
        if (this.stopping.signal.aborted) return false;
        const outage = error instanceof Unavailable || isOutage(error);
        if (!outage && ++faults >= maxFaults) return this.park(stream, error);
        this.log.warn({ stream, attempt, error: nameOf(error) }, 'command will be tried again');
        await pause(Math.min(50 * 2 ** attempt, 2000), this.stopping.signal);
      }
    }
  }

  private async execute(stream: string): Promise<void> {
    let accepted: Recorded | null = null;
    for await (const event of this.store.read(stream)) {
      if (event.type === 'command.accepted') accepted = event;
      if (event.type === 'command.succeeded' || event.type === 'command.rejected') return;
    }
    if (!accepted) throw new Error(`${stream} has no command.accepted`);
    const { commandId, commandType, profileId, requestId } = accepted.data as CommandAccepted['data'];
    const message = commandClass(commandType);
    if (!message) return; // another process runs these

    const actor: Actor = accepted.meta.actor;
    const opened = profileId ? await this.boxes.open(accepted, profileId) : null;
    if (!profileId || (!opened && !message.erases)) {
      // The subject's key is gone: its account was deleted while the command waited.
      return this.commands.settle(commandId, { status: 'rejected', reason: 'not_found', cursor: null }, profileId);
    }
    if (!(await this.isAsVoted(accepted, opened))) {
      this.log.error({ stream }, 'command was rejected: it is not the one that was voted on');
      return this.commands.settle(commandId, { status: 'rejected', reason: 'internal_error', cursor: null }, profileId);
    }
    const client: Client = {
      ip: (opened?.['ip'] as string | null | undefined) ?? null,
      userAgent: (opened?.['userAgent'] as string | null | undefined) ?? null,
      location: (opened?.['location'] as string | null | undefined) ?? null,
    };
    const cause: Cause = {
      commandId,
      correlationId: accepted.meta.correlationId,
      causationId: commandId,
      actor,
      client,
    };
    const context: Context = { commandId, requestId, profileId, actor, client, acceptedAt: accepted.recordedAt, cause };
    const { correlationId } = cause;
    const result = await correlate({ correlationId, commandId }, () =>
      this.bus.execute<object, HandlerResult>(new message(opened?.['input'] ?? null, context)),
    );
    if (result.status !== 'deferred') await this.commands.settle(commandId, result, profileId, cause);
  }

  /**
   * A command that was held needs its gate: waived, or released for just what is about to run (crypto design, section 14).
   */
  private async isAsVoted(accepted: Recorded, box: Readonly<Record<string, unknown>> | null): Promise<boolean> {
    const { commandId, commandType, held } = accepted.data as CommandAccepted['data'];
    if (!held) return true;
    let opened: Recorded | null = null;
    let released = false;
    for await (const event of this.store.read(`gate-${commandId}`)) {
      if (event.type === 'policy.gate_waived') return true;
      if (event.type === 'policy.gate_opened') opened = event;
      if (event.type === 'policy.gate_released') released = true;
    }
    if (!opened || !released) return false;
    // Its own first run has erased the boxes: what was compared then cannot be compared again.
    if (box === null) return true;
    const { op, profileId } = opened.data as GateOpened['data'];
    const nonce = (await this.boxes.open(opened, profileId))?.['opNonce'];
    return typeof nonce === 'string' && sameSecret(op, operationDigest(commandType, commandId, box['input'], nonce));
  }

  private async park(stream: string, error: unknown): Promise<boolean> {
    this.log.error({ stream, error: nameOf(error) }, 'command was rejected after repeated faults');
    const commandId = stream.slice('command-'.length);
    try {
      await this.commands.settle(commandId, { status: 'rejected', reason: 'internal_error', cursor: null }, null);
      return true;
    } catch {
      return false; // runs again at the next start
    }
  }

  private async load(signal: AbortSignal): Promise<string | null> {
    for (let wait = 50; ; wait = Math.min(wait * 2, 1000)) {
      try {
        const [row] = await this.dataSource.query<Array<{ cursor: string | null }>>(
          'select cursor from engine.checkpoint where name = $1',
          [this.checkpoint],
        );
        return row?.cursor ?? null;
      } catch {
        if (signal.aborted) return null;
        await pause(wait, signal);
      }
    }
  }

  private async save(): Promise<void> {
    const cursor = this.done;
    if (cursor === null || cursor === this.saved) return;
    try {
      await this.dataSource.query(
        `insert into engine.checkpoint (name, version, cursor, moved_at) values ($1, 1, $2, now())
         on conflict (name) do update set cursor = excluded.cursor, moved_at = now()`,
        [this.checkpoint, cursor],
      );
      this.saved = cursor;
    } catch {
      // Saved again at the next tick; until then a restart repeats what is idempotent.
    }
  }
}

function nameOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : 'unknown';
}

function pause(millis: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, millis);
    signal.addEventListener('abort', end, { once: true });
  });
}
