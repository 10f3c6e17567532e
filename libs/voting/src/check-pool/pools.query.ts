import { Injectable } from '@nestjs/common';
import { PersonalBoxes } from '@symbolon/crypto';
import { wholeSeconds } from '@symbolon/kernel';
import { DataSource } from 'typeorm';
import type { PollData } from '../poll/poll.events';

interface Row {
  readonly pool_id: string;
  readonly profile_id: string;
  readonly created: { readonly id: string; readonly type: string; readonly data: PollData<'poll.created'> };
  readonly status: string;
  readonly reason: string | null;
  readonly next_pool_id: string | null;
  readonly created_at: Date;
  readonly resolved_at: Date | null;
  readonly issued: number;
  readonly yes: number;
  readonly no: number;
  readonly pending: number;
}

@Injectable()
export class Pools {
  constructor(
    private readonly dataSource: DataSource,
    private readonly boxes: PersonalBoxes,
  ) {}

  async ownerOf(poolId: string): Promise<string | null> {
    const [row] = await this.dataSource.query<Row[]>('select profile_id from voting.poll where pool_id = $1', [poolId]);
    return row?.profile_id ?? null;
  }

  /** The pool object of the contract's section 13. */
  async find(profileId: string, poolId: string): Promise<object | null> {
    const [row] = await this.dataSource.query<Row[]>(
      `select p.*, b.* from voting.poll p,
              lateral (select count(*)::int as issued, count(*) filter (where vote = 'yes')::int as yes,
                              count(*) filter (where vote = 'no')::int as no,
                              count(*) filter (where state = 'open')::int as pending
                         from voting.ballot where pool_id = p.pool_id) b
        where p.pool_id = $1 and p.profile_id = $2`,
      [poolId, profileId],
    );
    if (!row) return null;
    const { data } = row.created;
    const shown = await this.boxes.open({ ...row.created, stream: `poll-${poolId}` }, profileId);
    return {
      poolId,
      commandId: data.commandId,
      operation: data.operation,
      title: shown?.['title'] ?? null,
      question: shown?.['question'] ?? null,
      nonce: shown?.['nonce'] ?? null,
      status: row.status,
      strategy: data.strategy,
      strategy_params: data.strategyParams ?? '',
      quorumSize: data.quorumSize,
      ballotsIssued: row.issued,
      yes: row.yes,
      no: row.no,
      pending: row.pending,
      attempt: data.attempt,
      maxAttempts: data.maxAttempts,
      previousPoolId: data.previousPoolId,
      nextPoolId: row.next_pool_id,
      createdAt: wholeSeconds(row.created_at),
      expiresAt: wholeSeconds(data.expiresAt),
      resolvedAt: row.resolved_at && wholeSeconds(row.resolved_at),
      reason: row.reason,
    };
  }
}
