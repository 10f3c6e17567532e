import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Clock, EventStore, type Instant, Streams } from '@symbolon/kernel';
import { type Deadline, Deadlines, ProjectionRunner } from '@symbolon/projection';
import { DataSource } from 'typeorm';
import { token } from '../token/token.model';
import { Parcels } from './parcels';

const kind = 'token-vault.retire';
/** Seconds for a request that was decided just before the new version was acknowledged. */
const grace = 2;
/** Seconds between looks while somebody still fetches an old version. */
const recheck = 10;

/** Deadline: keys of the versions before this one are destroyed. */
export function retirementDeadline(tokenId: string, version: number, clock: Clock): Deadline {
  return { id: `${kind}/${tokenId}/${version}`, kind, dueAt: clock.after(grace), data: { tokenId } };
}

/**
 * Destroys the keys of versions that a newer one has replaced, and with them every copy. A request that was answered,
 * or is being answered, from an old version keeps its key until the answer is fetched or its time is over.
 */
@Injectable()
export class RetireVersions implements OnModuleInit {
  constructor(
    private readonly streams: Streams,
    private readonly store: EventStore,
    private readonly projections: ProjectionRunner,
    private readonly parcels: Parcels,
    private readonly deadlines: Deadlines,
    private readonly dataSource: DataSource,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.deadlines.handle<{ tokenId: string }>(kind, ({ tokenId }) => this.retire(tokenId));
  }

  private async retire(tokenId: string): Promise<void | { again: Instant }> {
    await this.projections.passed(await this.store.tail());
    const { state } = await this.streams.load(token, tokenId);
    const needed = [state.held, state.pending].map((stored) => stored?.dataKey.keyId);
    const old = (await this.parcels.arrivedOf(tokenId)).filter((parcelId) => !needed.includes(parcelId));
    const inUse = await this.inUse(old);
    await this.parcels.discard(old.filter((parcelId) => !inUse.has(parcelId)));
    if (inUse.size > 0) return { again: this.clock.after(recheck) };
  }

  private async inUse(keyIds: readonly string[]): Promise<ReadonlySet<string>> {
    const rows = await this.dataSource.query<Array<{ key_id: string }>>(
      `select key_id from token_vault.open_retrieval where key_id = any($1)
       union select key_id from token_vault.download where key_id = any($1)`,
      [keyIds],
    );
    return new Set(rows.map((row) => row.key_id));
  }
}
