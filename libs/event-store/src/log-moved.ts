import { escapeIdentifier, type Pool } from 'pg';

/** The log's xids are not of this cluster: followers would skip events or see none. Nothing was read or written. */
export class LogMoved extends Error {
  constructor(reason: string) {
    super(
      `The event log was moved: ${reason}. Followers would miss events. ` +
        'Stop every process that uses this database and run `symbolon log rebase` once.',
    );
    this.name = 'LogMoved';
  }
}

/** Throws `LogMoved` where the log was written by another cluster or holds xids that this cluster has yet to give. */
export async function verifyLog(pool: Pool): Promise<void> {
  const { rows } = await pool.query<{ at_home: boolean; ahead: boolean }>(`
    select (select system_identifier from es.origin) = (select system_identifier from pg_control_system()) as at_home,
      coalesce((select xid from es.event order by xid desc limit 1) >= pg_snapshot_xmax(pg_current_snapshot()), false) as ahead`);
  const [log] = rows;
  if (!log?.at_home) throw new LogMoved('it was written on another PostgreSQL cluster');
  if (log.ahead) throw new LogMoved('it holds transaction ids above the counter of this PostgreSQL cluster');
}

/** A text column that holds cursors of this log, to be rewritten with it. `table` is `schema.table`. */
export interface CursorColumn {
  readonly table: string;
  readonly column: string;
}

/**
 * Makes a moved log readable on this cluster: keeps the order of all events, sets their xids to 0 and numbers their
 * positions anew, rewrites the given cursors to the same places and takes this cluster as origin; all in one
 * transaction. No process may use the log meanwhile.
 */
export async function rebaseLog(pool: Pool, cursors: readonly CursorColumn[] = []): Promise<void> {
  const client = await pool.connect();
  // A connection that breaks is told by the query that was on it.
  client.on('error', () => undefined);
  try {
    await client.query(`begin; lock table es.event in access exclusive mode;
      create temporary table place on commit drop as
        select xid, position, row_number() over (order by xid, position) as n from es.event;
      create unique index on place (xid, position);
      analyze place`);
    for (const { table, column } of cursors) {
      const name = table.split('.').map(escapeIdentifier).join('.');
      const cursor = escapeIdentifier(column);
      await client.query(`update ${name} set ${cursor} = '0:' || coalesce((
        select n from place
        where (xid, position) <= (split_part(${cursor}, ':', 1)::xid8, split_part(${cursor}, ':', 2)::bigint)
        order by xid desc, position desc limit 1), 0) where ${cursor} is not null`);
    }
    await client.query(`
      alter table es.event disable trigger event_is_final;
      alter table es.event drop constraint event_pkey;
      update es.event e set xid = '0', position = p.n from place p where (e.xid, e.position) = (p.xid, p.position);
      alter table es.event add primary key (xid, position);
      alter table es.event enable trigger event_is_final;
      select setval(pg_get_serial_sequence('es.event', 'position'), (select count(*) from place) + 1, false);
      update es.origin set system_identifier = (select system_identifier from pg_control_system());
      commit`);
    client.release();
  } catch (error) {
    client.release(true);
    throw error;
  }
}
