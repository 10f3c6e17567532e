import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Commands, type Settlement } from '@symbolon/command-log';
import type { Synchronized } from '@symbolon/contracts';
import { uuid5, uuid7 } from '@symbolon/crypto';
import { type Cause, Streams, system } from '@symbolon/kernel';
import { Logger } from '@symbolon/observe';
import { Registry } from '@symbolon/platform';
import { ProjectionRunner } from '@symbolon/projection';
import { DataSource } from 'typeorm';
import { Copies } from './copies';
import { Inventories } from './inventories';
import type { Step, Synchronization } from './synchronization';

const pollMillis = 500;
/** How long a process that has died holds up its synchronizations. */
const lease = `clock_timestamp() + interval '30 seconds'`;
const moving = new Set([
  'storage.write_acknowledged',
  'storage.read_answered',
  'storage.reading_failed',
  'storage.removed',
  'device.removed',
]);

/** Runs row 45: each synchronization step by step, one process at a time, from wherever a crash has left it. */
@Injectable()
export class Synchronizations implements OnModuleInit {
  private readonly me = uuid7();
  private readonly running = new Map<string, Promise<void>>();
  private timer: NodeJS.Timeout | null = null;
  private looking = false;
  private again = false;
  private wakers: Array<() => void> = [];

  constructor(
    private readonly registry: Registry,
    private readonly projections: ProjectionRunner,
    private readonly dataSource: DataSource,
    private readonly streams: Streams,
    private readonly commands: Commands,
    private readonly inventories: Inventories,
    private readonly copies: Copies,
    private readonly log: Logger,
  ) {}

  onModuleInit(): void {
    this.registry.loop({ start: () => this.start(), stop: () => this.stop() });
    this.projections.onCommitted((_, events) => {
      if (this.running.size > 0 && events.some(({ type }) => moving.has(type))) this.wake();
    });
    this.inventories.onTaken = () => this.wake();
  }

  /** Something may have changed. */
  wake(): void {
    for (const waker of this.wakers.splice(0)) waker();
    this.again = true;
    if (!this.looking && this.timer) void this.look();
  }

  private start(): void {
    this.timer ??= setInterval(() => this.wake(), pollMillis).unref();
  }

  private async stop(): Promise<void> {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
    this.wake();
    await Promise.all(this.running.values());
  }

  /** Takes what nobody works on. */
  private async look(): Promise<void> {
    this.looking = true;
    try {
      while (this.again && this.timer) {
        this.again = false;
        const [rows] = await this.dataSource.query<[Array<{ command_id: string }>, number]>(
          `update device_router.synchronization set leased_by = $1, leased_until = ${lease}
            where leased_until < clock_timestamp() returning command_id`,
          [this.me],
        );
        for (const { command_id: id } of rows)
          if (!this.running.has(id))
            this.running.set(
              id,
              this.run(id).finally(() => this.running.delete(id)),
            );
      }
    } catch (error) {
      this.log.warn({ error }, 'synchronizations will be looked for again');
    } finally {
      this.looking = false;
    }
  }

  private async run(commandId: string): Promise<void> {
    while (this.timer) {
      const woken = new Promise<void>((resolve) => this.wakers.push(resolve));
      try {
        const row = await this.renew(commandId);
        if (!row) return;
        const step = await this.step(row);
        if (step === 'on') continue;
        if (step !== 'wait') return await this.end(row, step);
      } catch (error) {
        this.log.warn({ error }, 'a synchronization goes on where it stopped');
      }
      await woken;
    }
    await this.dataSource
      .query(
        `update device_router.synchronization set leased_until = '-infinity' where command_id = $1 and leased_by = $2`,
        [commandId, this.me],
      )
      // Then the lease runs out by itself.
      .catch(() => undefined);
  }

  private async renew(commandId: string): Promise<Synchronization | null> {
    const [rows] = await this.dataSource.query<[Synchronization[], number]>(
      `update device_router.synchronization set leased_until = ${lease}
        where command_id = $1 and leased_by = $2 returning *`,
      [commandId, this.me],
    );
    return rows[0] ?? null;
  }

  private async step(row: Synchronization): Promise<Step> {
    if (!(await this.stores(row))) return { rejected: 'storage.not_registered' };
    const step = await this.next(row);
    // What was on its way to a device that has lost its role meanwhile looks as if it had failed.
    return step !== 'done' || (await this.stores(row)) ? step : { rejected: 'storage.not_registered' };
  }

  private next(row: Synchronization): Promise<Step> {
    switch (row.phase) {
      case 'inventory':
        return this.inventories.ask(row);
      case 'comparing':
        return this.inventories.compare(row);
      case 'copying':
        return this.copies.advance(row);
    }
  }

  private async stores({ profile_id, device_identifier }: Synchronization): Promise<boolean> {
    const rows = await this.dataSource.query<unknown[]>(
      'select 1 from device_router.storage where profile_id = $1 and device_identifier = $2',
      [profile_id, device_identifier],
    );
    return rows.length > 0;
  }

  /** The row goes last: until then a repeat changes nothing. */
  private async end(row: Synchronization, step: 'done' | { readonly rejected: string }): Promise<void> {
    const { command_id: commandId, profile_id: profileId } = row;
    const settlement = step === 'done' ? await this.synchronized(row) : rejection(step.rejected);
    await this.commands.settle(commandId, settlement, profileId);
    await this.dataSource.query('delete from device_router.synchronization where command_id = $1', [commandId]);
    this.copies.forget(commandId);
  }

  private async synchronized({ command_id: commandId, profile_id, device_identifier }: Synchronization) {
    const [result] = await this.dataSource.query<Array<{ count: string; missing: string }>>(
      `select coalesce((select tokens from device_router.held where profile_id = $2 and device_identifier = $3), 0) as count, missing
         from device_router.synchronization where command_id = $1`,
      [commandId, profile_id, device_identifier],
    );
    const [count, missing] = [Number(result!.count), Number(result!.missing)];
    const event: Synchronized = {
      type: 'storage.synchronized',
      version: 1,
      data: { deviceIdentifier: device_identifier, count, missing },
    };
    const cause: Cause = {
      commandId,
      correlationId: commandId,
      causationId: uuid5(`${commandId}/synchronized`),
      actor: system,
    };
    const appended = await this.streams.append(`synchronization-${commandId}`, 'any', [event], cause);
    const cursor = appended.status === 'conflict' ? null : appended.cursor;
    return { status: 'succeeded', result: { count, missing }, cursor } satisfies Settlement;
  }
}

function rejection(reason: string): Settlement {
  return { status: 'rejected', reason, cursor: null };
}
