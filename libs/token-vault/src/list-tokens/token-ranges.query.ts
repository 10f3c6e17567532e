import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

/** A stretch of time, as PostgreSQL writes it: a `Date` has no microseconds and no infinity. */
export interface Range {
  readonly start: string;
  readonly end: string;
}

/** Where a page lies: in these ranges, newest first, after the first `skip` of the tokens in them. */
export interface Place {
  /** Of the whole list. */
  readonly count: number;
  readonly ranges: readonly Range[];
  readonly skip: number;
}

export interface Wanted {
  readonly profileId: string;
  /** Of a blind index, or `''` for all. */
  readonly value: string;
  readonly status: string | undefined;
  /** Of a row `t`, a temporary token past its time: that it is gone, and would match. `$1` is the time, `$2` the profile. */
  readonly gone: string;
  readonly params: readonly unknown[];
  readonly offset: number;
  readonly limit: number;
}

/** So many tokens about are in a range. */
export const rangeSize = 1000;

/** The counts that are kept beside the rows, and the way by them to a page anywhere in a list. */
@Injectable()
export class TokenRanges {
  /** False: nobody has the value, or it is not counted, like a longer beginning of a file name. */
  async known(tx: EntityManager, profileId: string, value: string): Promise<boolean> {
    const rows = await tx.query<object[]>(
      'select from token_vault.token_range where profile_id = $1 and value = $2 limit 1',
      [profileId, value],
    );
    return rows.length > 0;
  }

  /** Temporary tokens past their time are counted still until their expiry is recorded. They are few, and are taken off. */
  async place(tx: EntityManager, wanted: Wanted): Promise<Place> {
    const { profileId, value, status, gone, params, offset, limit } = wanted;
    const [profile, hash, from, to] = [1, 2, 3, 4].map((n) => `$${params.length + n}`);
    const rows = await tx.query<Array<Range & { count: string; before: string | null }>>(
      `with gone as materialized (
              select token_vault.range_of(t.profile_id, t.created_at) as start, count(*) as n
                from (select * from token_vault.token t
                       where t.profile_id = $2 and t.status = 'temporary' and t.expires_at <= $1 offset 0) t
               where ${gone} group by 1),
            counted as materialized (
              select r.start, r.n - coalesce(gone.n, 0)::int as n,
                     sum(r.n - coalesce(gone.n, 0)::int) over (order by r.start desc) as upto
                from (select start, ${countOf(status)} as n from token_vault.token_range
                       where profile_id = ${profile} and value = ${hash}) r left join gone using (start))
       select total.count, page.start::text, page.before, coalesce(
                (select min(next.start) from token_vault.token_range next
                  where next.profile_id = ${profile} and next.value = '' and next.start > page.start), 'infinity')::text as "end"
         from (select coalesce(sum(n), 0) as count from counted) total
              left join (select start, upto - n as before from counted
                          where n > 0 and upto > ${from} and upto - n < ${to}) page on true
        order by page.start desc`,
      [...params, profileId, value, offset, offset + limit],
    );
    const [first] = rows;
    if (!first || first.before === null) return { count: Number(first?.count ?? 0), ranges: [], skip: 0 };
    return { count: Number(first.count), ranges: rows, skip: offset - Number(first.before) };
  }
}

function countOf(status: string | undefined): string {
  if (status === undefined) return 'permanent + temporary';
  return status === 'permanent' || status === 'temporary' ? status : '0';
}
