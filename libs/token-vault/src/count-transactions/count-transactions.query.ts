import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { type OperationKind, operationKinds } from '../token/operations.projection';
import { type Interval, periodOf } from './periods';

export interface Window {
  readonly from: Date;
  /** The last moment that counts. */
  readonly to: Date;
}

export type Counts = Readonly<Record<OperationKind, number>>;

interface Row {
  readonly at: Date;
  readonly kind: OperationKind;
  readonly n: string;
}

const hour = 3_600_000;

/** Counts of operations that succeeded, by period. Whole hours are counted already; only the edges are looked at. */
@Injectable()
export class CountTransactions {
  constructor(private readonly dataSource: DataSource) {}

  async ofProfile(profileId: string, window: Window, interval: Interval): Promise<ReadonlyMap<number, Counts>> {
    const whole = { from: ceilHour(window.from), to: floorHour(new Date(+window.to + 1)) };
    if (whole.from >= whole.to) return this.sum(await this.single('profile_id', profileId, window), interval);
    const [counted, before, after] = await Promise.all([
      this.dataSource.query<Row[]>(
        `select hour as at, kind, n from token_vault.operation_count where profile_id = $1 and hour >= $2 and hour < $3`,
        [profileId, whole.from, whole.to],
      ),
      this.single('profile_id', profileId, { from: window.from, to: new Date(+whole.from - 1) }),
      this.single('profile_id', profileId, { from: whole.to, to: window.to }),
    ]);
    return this.sum([...counted, ...before, ...after], interval);
  }

  async ofToken(tokenId: string, window: Window, interval: Interval): Promise<ReadonlyMap<number, Counts>> {
    return this.sum(await this.single('token_id', tokenId, window), interval);
  }

  private async single(column: 'profile_id' | 'token_id', id: string, { from, to }: Window): Promise<Row[]> {
    if (from > to) return [];
    return this.dataSource.query<Row[]>(
      `select date_trunc('hour', at, 'UTC') as at, kind, count(*) as n from token_vault.operation
        where ${column} = $1 and at >= $2 and at < $3 group by 1, 2`,
      // A `Date` has milliseconds, what was recorded has them too: up to and with `to`.
      [id, from, new Date(+to + 1)],
    );
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

function floorHour(at: Date): Date {
  return new Date(Math.floor(+at / hour) * hour);
}

function ceilHour(at: Date): Date {
  return new Date(Math.ceil(+at / hour) * hour);
}
