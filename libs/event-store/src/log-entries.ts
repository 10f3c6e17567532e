import { type Instant, instant, type Meta } from '@symbolon/kernel';
import type { Pool } from 'pg';
import { partsOf, type Place } from './place';

/** An event as operators may see it: where it lies and whom it concerns, without what it holds. */
export interface LogEntry {
  /** `"<xid>:<position>"`, the cursor of who has seen it and all before it. */
  readonly place: string;
  readonly recordedAt: Instant;
  readonly stream: string;
  readonly revision: number;
  readonly type: string;
  readonly id: string;
  readonly meta: Meta;
}

export interface LogEntriesOptions {
  /** All when empty. */
  readonly categories: readonly string[];
  /** How many of the newest. */
  readonly last: number;
  /** Goes on with what is appended, until the caller has enough. */
  readonly follow: boolean;
  readonly pollMillis?: number;
}

const pageSize = 500;
const columns = 'xid, position, category, recorded_at, stream, revision, type, id, meta';
/** What followers may see: no older transaction is open any more, so nothing can commit before it. */
const settled = 'xid < pg_snapshot_xmin(pg_current_snapshot())';

interface Row {
  xid: string;
  position: string;
  category: string;
  recorded_at: Date;
  stream: string;
  revision: string;
  type: string;
  id: string;
  meta: Meta;
}

/** The newest events of the log in their order, page by page, and then those to come. */
export async function* logEntries(
  pool: Pool,
  { categories, last, follow, pollMillis = 250 }: LogEntriesOptions,
): AsyncIterable<readonly LogEntry[]> {
  const { rows: ends } = await pool.query<Row>(
    `select ${columns} from es.event where ${settled} order by xid desc, position desc limit 1`,
  );
  let place: Place = ends[0] ? placeOf(ends[0]) : null;
  const { rows } = await pool.query<Row>(
    `select ${columns} from es.event
      where (xid, position) <= ($1::xid8, $2::bigint) and (cardinality($3::text[]) = 0 or category = any($3))
      order by xid desc, position desc limit $4`,
    [...partsOf(place), categories, last],
  );
  if (rows.length > 0) yield rows.reverse().map(entryOf);
  while (follow) {
    const { rows: page } = await pool.query<Row>(
      `select ${columns} from es.event where (xid, position) > ($1::xid8, $2::bigint) and ${settled}
        order by xid, position limit ${pageSize}`,
      partsOf(place),
    );
    const end = page.at(-1);
    if (end) place = placeOf(end);
    const wanted = page.filter(({ category }) => categories.length === 0 || categories.includes(category));
    if (wanted.length > 0) yield wanted.map(entryOf);
    if (page.length < pageSize) await new Promise((resolve) => setTimeout(resolve, pollMillis));
  }
}

/** How many events lie behind a cursor; behind null, all. */
export async function countBehind(pool: Pool, cursor: string | null): Promise<number> {
  const { rows } = await pool.query<{ behind: string }>(
    'select count(*) as behind from es.event where (xid, position) > ($1::xid8, $2::bigint)',
    partsOf(cursor),
  );
  return Number(rows[0]?.behind);
}

function placeOf({ xid, position }: Row): string {
  return `${xid}:${position}`;
}

function entryOf(row: Row): LogEntry {
  const { recorded_at, stream, revision, type, id, meta } = row;
  const recordedAt = instant(recorded_at.getTime());
  return { place: placeOf(row), recordedAt, stream, revision: Number(revision), type, id, meta };
}
