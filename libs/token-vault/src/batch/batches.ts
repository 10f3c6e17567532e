import { Injectable } from '@nestjs/common';
import { Commands } from '@symbolon/command-log';
import { type Cause, Clock, EventStore, Gathered } from '@symbolon/kernel';
import { DataSource } from 'typeorm';

/** One item of a batch. `subjectId`: the token of a write, the request of a retrieval. */
export interface BatchItem {
  readonly subjectId: string;
  /** Of a write. */
  readonly parcelId: string | null;
  /** Known before it has begun: what became of it. */
  readonly ended?: ItemEnd;
}

/** What an item shows at its end, reduced as results are. */
export interface ItemEnd {
  readonly status: 'succeeded' | 'rejected';
  readonly reason: string | null;
  readonly [field: string]: unknown;
}

interface Ended {
  readonly commandId: string;
  readonly subjectId: string;
  readonly end: ItemEnd;
}

/**
 * Batches that are under way: each item ends by itself, and the last one ends the command. The rows are work in hand;
 * the result stands in the command's own end.
 */
@Injectable()
export class Batches {
  private readonly ends = new Gathered((ended: readonly Ended[]) => this.note(ended), 1, 1000);

  constructor(
    private readonly dataSource: DataSource,
    private readonly commands: Commands,
    private readonly store: EventStore,
    private readonly clock: Clock,
  ) {}

  /** May be repeated. */
  async begin(commandId: string, items: readonly BatchItem[]): Promise<void> {
    await this.dataSource.query(
      `insert into token_vault.batch_item (command_id, item, subject_id, parcel_id, ended)
       select $1, * from unnest($2::int[], $3::uuid[], $4::uuid[], $5::jsonb[]) on conflict do nothing`,
      [
        commandId,
        items.map((_, index) => index),
        items.map(({ subjectId }) => subjectId),
        items.map(({ parcelId }) => parcelId),
        items.map(({ ended }) => (ended ? JSON.stringify(ended) : null)),
      ],
    );
  }

  /** An item has ended; the first end counts. Settles the command with the last one. */
  async ended(subjectId: string, end: ItemEnd, profileId: string, cause: Cause): Promise<void> {
    const { commandId } = cause;
    if (commandId === null) return;
    if (await this.ends.ask({ commandId, subjectId, end })) await this.finish(commandId, profileId, cause);
  }

  /** What has not ended yet. */
  async open(commandId: string): Promise<Array<{ readonly subjectId: string; readonly parcelId: string | null }>> {
    const rows = await this.dataSource.query<Array<{ subject_id: string; parcel_id: string | null }>>(
      'select subject_id, parcel_id from token_vault.batch_item where command_id = $1 and ended is null order by item',
      [commandId],
    );
    return rows.map((row) => ({ subjectId: row.subject_id, parcelId: row.parcel_id }));
  }

  /** When an item ended last, in milliseconds since 1970; -Infinity before the first. */
  async lastEnd(commandId: string): Promise<number> {
    const [row] = await this.dataSource.query<Array<{ at: Date | null }>>(
      'select max(ended_at) as at from token_vault.batch_item where command_id = $1',
      [commandId],
    );
    return row?.at?.getTime() ?? -Infinity;
  }

  /** Ends the command where nothing is open. May be repeated. */
  async finish(commandId: string, profileId: string, cause: Cause): Promise<void> {
    const rows = await this.dataSource.query<Array<{ ended: ItemEnd | null }>>(
      'select ended from token_vault.batch_item where command_id = $1 order by item',
      [commandId],
    );
    const items = rows.flatMap(({ ended }) => ended ?? []);
    if (items.length === 0 || items.length < rows.length) return;
    const cursor = await this.store.tail();
    const [first] = items;
    const end = items.every(({ status }) => status === 'rejected')
      ? ({ status: 'rejected', reason: first!.reason ?? 'internal_error', cursor } as const)
      : ({ status: 'succeeded', result: { items }, cursor } as const);
    await this.commands.settle(commandId, end, profileId, cause);
    await this.dataSource.query('delete from token_vault.batch_item where command_id = $1', [commandId]);
  }

  /** Answers for each whether its batch has no open item any more. */
  private async note(ended: readonly Ended[]): Promise<boolean[]> {
    await this.dataSource.query(
      `update token_vault.batch_item b set ended = e.ended, ended_at = $4
         from unnest($1::uuid[], $2::uuid[], $3::jsonb[]) e(command_id, subject_id, ended)
        where b.command_id = e.command_id and b.subject_id = e.subject_id and b.ended is null`,
      [
        ended.map(({ commandId }) => commandId),
        ended.map(({ subjectId }) => subjectId),
        ended.map(({ end }) => JSON.stringify(end)),
        this.clock.now(),
      ],
    );
    // A look of its own: it sees what other processes have noted meanwhile, so that one of them sees the last.
    const rows = await this.dataSource.query<Array<{ command_id: string }>>(
      `select command_id from unnest($1::uuid[]) command_id where not exists (
         select from token_vault.batch_item b where b.command_id = command_id.command_id and b.ended is null)`,
      [[...new Set(ended.map(({ commandId }) => commandId))]],
    );
    const complete = new Set(rows.map((row) => row.command_id));
    // One of several that end together finishes the batch.
    return ended.map(({ commandId }) => complete.delete(commandId));
  }
}
