import { Injectable } from '@nestjs/common';
import { uuid5 } from '@symbolon/crypto';
import { type Cause, Clock, instant, Streams, system } from '@symbolon/kernel';
import { Logger } from '@symbolon/observe';
import { Transfers } from '@symbolon/transfer';
import { DataSource } from 'typeorm';
import { returnId, returnPurpose } from '../channel/envelopes';
import { readingSeconds } from '../routing/routing.projection';
import { readingOf } from './reading.model';
import { abandonReading } from './settle-reading.decide';

interface Row {
  readonly request_id: string;
  readonly asked: string[];
  readonly has_storage: boolean;
  readonly copy_to: object | null;
  readonly command_id: string | null;
  readonly correlation_id: string;
}

const pollMillis = 500;

/** Ends readings for which nobody could be asked, at once, and those that nobody has answered or is answering in time. */
@Injectable()
export class AbandonedReadings {
  private timer: NodeJS.Timeout | null = null;
  private working = false;
  private again = false;

  constructor(
    private readonly dataSource: DataSource,
    private readonly streams: Streams,
    private readonly transfers: Transfers,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  start(): void {
    this.timer ??= setInterval(() => this.wake(), pollMillis).unref();
  }

  stop(): void {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
  }

  wake(): void {
    this.again = true;
    if (!this.working && this.timer) void this.work();
  }

  private async work(): Promise<void> {
    this.working = true;
    try {
      while (this.again && this.timer) {
        this.again = false;
        const rows = await this.dataSource.query<Row[]>(
          'select * from device_router.reading where due_at <= $1 order by due_at limit 200',
          [this.clock.now()],
        );
        for (const row of rows) await this.end(row);
      }
    } catch (error) {
      this.log.warn({ error }, 'readings will be looked after again');
    } finally {
      this.working = false;
    }
  }

  private async end({
    request_id: requestId,
    asked,
    has_storage,
    copy_to,
    command_id,
    correlation_id,
  }: Row): Promise<void> {
    const uploads = await Promise.all(
      asked.map((device) => this.transfers.lastRunning(returnPurpose, returnId(requestId, device))),
    );
    const dueAt = Math.max(...uploads) + readingSeconds * 1000;
    if (this.clock.millis() < dueAt) {
      const later = 'update device_router.reading set due_at = $2 where request_id = $1';
      await this.dataSource.query(later, [requestId, instant(dueAt)]);
      return;
    }
    const reason =
      asked.length > 0 ? 'storage.no_device_answered' : has_storage ? 'storage.data_missing' : 'storage.no_devices';
    const cause: Cause = {
      commandId: command_id,
      correlationId: correlation_id,
      causationId: uuid5(`${requestId}/abandoned`),
      actor: system,
    };
    const model = readingOf({ copying: copy_to !== null });
    await this.streams.transact(model, requestId, abandonReading, { requestId, reason }, cause);
  }
}
