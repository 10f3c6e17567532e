import { Injectable } from '@nestjs/common';
import { Gathered } from '@symbolon/kernel';
import { Logger } from '@symbolon/observe';
import { ParcelStore } from '@symbolon/parcel-store';
import { DataSource } from 'typeorm';

/** Removes parcels that no device is still to be given. What a crash leaves without a row, nobody keeps: it is swept. */
@Injectable()
export class ParcelClearing {
  private readonly tokens = new Gathered<string, void>(async (tokenIds) => {
    await this.clear(tokenIds);
    return tokenIds.map(() => undefined);
  });

  constructor(
    private readonly dataSource: DataSource,
    private readonly parcels: ParcelStore,
    private readonly log: Logger,
  ) {}

  /** Some device of this token has less to do than before. */
  settled(tokenId: string): void {
    this.tokens.ask(tokenId).catch((error: unknown) => this.log.warn({ error }, 'parcels will be cleared later'));
  }

  /** What earlier runs and other processes left. */
  async clearAll(): Promise<void> {
    await this.clear(null).catch((error: unknown) => this.log.warn({ error }, 'parcels will be cleared later'));
  }

  /** Which of these parcels are still needed. */
  async needed(parcelIds: readonly string[]): Promise<ReadonlySet<string>> {
    const rows = await this.dataSource.query<Array<{ id: string }>>(
      `select parcel_id as id from device_router.parcel where parcel_id = any($1::uuid[])
       union all
       select returned_parcel_id from device_router.delivery where returned_parcel_id = any($1::uuid[])`,
      [parcelIds],
    );
    return new Set(rows.map(({ id }) => id));
  }

  private async clear(tokenIds: readonly string[] | null): Promise<void> {
    const [rows] = await this.dataSource.query<[Array<{ parcel_id: string }>, number]>(
      `delete from device_router.parcel p where ($1::uuid[] is null or token_id = any($1::uuid[])) and not exists (
         select from device_router.delivery d where d.token_id = p.token_id and d.parcel_id = p.parcel_id)
       returning parcel_id`,
      [tokenIds],
    );
    for (const { parcel_id } of rows) await this.parcels.delete(parcel_id);
  }
}
