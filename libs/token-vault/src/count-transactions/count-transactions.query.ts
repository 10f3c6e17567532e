import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { type OperationKind, operationKinds } from '../token/operations.projection';
import { type Interval, periodOf } from './periods';

export interface Window {
  readonly from: Date;
  /** The last millisecond that counts. */
  readonly to: Date;
}

export type Counts = Readonly<Record<OperationKind, number>>;

interface Row {
  readonly at: Date;
  readonly kind: OperationKind;
  readonly n: string;
}

/** Counts of operations that succeeded, by period. */
@Injectable()
export class CountTransactions {
  constructor(private readonly dataSource: DataSource) {}

  /**
   * The counts of all hours that the window touches, less what lies in them before and after it: mostly nothing, as a
   * window begins before there was much and ends now.
   */
  async ofProfile(profileId: string, { from, to }: Window, interval: Interval): Promise<ReadonlyMap<number, Counts>> {
    const outside = `select date_trunc('hour', at, 'UTC'), kind, -count(*) from token_vault.operation where profile_id = $1`;
    const rows = await this.dataSource.query<Row[]>(
      `select date_trunc($4, hour, 'UTC') as at, kind, sum(n) as n
         from (select hour, kind, n from token_vault.operation_count
                where profile_id = $1 and hour >= date_trunc('hour', $2::timestamptz, 'UTC') and hour <= $3
               union all
               (${outside} and at >= date_trunc('hour', $2::timestamptz, 'UTC') and at < $2 group by 1, 2)
               union all
               (${outside} and at >= $3::timestamptz + interval '1 millisecond'
                  and at < date_trunc('hour', $3::timestamptz, 'UTC') + interval '1 hour' group by 1, 2)) part
        group by 1, 2`,
      [profileId, from, to, interval],
    );
    return this.sum(rows, interval);
  }

  async ofToken(tokenId: string, { from, to }: Window, interval: Interval): Promise<ReadonlyMap<number, Counts>> {
    const rows = await this.dataSource.query<Row[]>(
      `select date_trunc('hour', at, 'UTC') as at, kind, count(*) as n from token_vault.operation
        where token_id = $1 and at >= $2 and at < $3::timestamptz + interval '1 millisecond' group by 1, 2`,
      [tokenId, from, to],
    );
    return this.sum(rows, interval);
  }

  private sum(rows: readonly Row[], interval: Interval): ReadonlyMap<number, Counts> {
    const sums = new Map<number, Record<OperationKind, number>>();
    for (const { at, kind, n } of rows) {
      const period = +periodOf(at, interval);
      const counts = sums.get(period) ?? none();
      counts[kind] += Number(n);
      sums.set(period, counts);
    }
    return sums;
  }
}

export function none(): Record<OperationKind, number> {
  return Object.fromEntries(operationKinds.map((kind) => [kind, 0])) as Record<OperationKind, number>;
}
