import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';

/** A page begins `offset` tokens after the newest that was reserved before this moment. */
export interface Place {
  readonly before: Date;
  readonly offset: number;
}

interface Bucket {
  readonly at: number;
  readonly n: number;
}

const lengths = { hour: 3_600_000, second: 1000 } as const;

/** Counts of permanent tokens that are kept beside the rows. */
@Injectable()
export class TokenCounts {
  constructor(private readonly dataSource: DataSource) {}

  /** Of all (`''`), or of those with this blind index; null where that value is not counted, or nobody has it. */
  async of(profileId: string, value: string): Promise<number | null> {
    const [row] = await this.dataSource.query<Array<{ n: string }>>(
      'select n from token_vault.token_count where profile_id = $1 and value = $2',
      [profileId, value],
    );
    if (row) return Number(row.n);
    return value === '' ? 0 : null;
  }

  /** Where the token stands that `offset` others precede, the permanent ones and those reserved at the given times. */
  async place(profileId: string, offset: number, others: readonly number[]): Promise<Place | null> {
    const hours = await this.buckets(profileId, 'hour', 0, Infinity);
    const hour = find(hours, 'hour', offset, others);
    if (!hour) return null;
    const end = hour.at + lengths.hour;
    const within = others.filter((at) => at >= hour.at && at < end);
    const second = find(await this.buckets(profileId, 'second', hour.at, end), 'second', offset - hour.before, within);
    const { at, before } = second
      ? { at: second.at + lengths.second, before: hour.before + second.before }
      : { at: end, before: hour.before };
    return { before: new Date(at), offset: offset - before };
  }

  private async buckets(profileId: string, level: 'hour' | 'second', from: number, to: number): Promise<Bucket[]> {
    const rows = await this.dataSource.query<Array<{ at: Date; n: string }>>(
      `select at, n from token_vault.token_page where profile_id = $1 and level = $2 and at >= $3 and at < $4 and n > 0`,
      [profileId, level, new Date(from), to === Infinity ? 'infinity' : new Date(to)],
    );
    return rows.map(({ at, n }) => ({ at: at.getTime(), n: Number(n) }));
  }
}

/** The bucket, newest first, in which the item at `offset` lies, and how many items are in newer ones. */
function find(
  buckets: readonly Bucket[],
  level: keyof typeof lengths,
  offset: number,
  others: readonly number[],
): { readonly at: number; readonly before: number } | null {
  const counts = new Map(buckets.map(({ at, n }) => [at, n]));
  for (const other of others) {
    const at = Math.floor(other / lengths[level]) * lengths[level];
    counts.set(at, (counts.get(at) ?? 0) + 1);
  }
  let before = 0;
  for (const [at, n] of [...counts].sort(([a], [b]) => b - a)) {
    if (offset < before + n) return { at, before };
    before += n;
  }
  return null;
}
