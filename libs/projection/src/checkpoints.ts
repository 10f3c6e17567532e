import type { ClientBase } from 'pg';

/** Every place where cursors of the log are kept, to be rewritten with the log. */
export const cursorColumns = [{ table: 'engine.checkpoint', column: 'cursor' }] as const;

/** How a follower of the log stands, whichever process runs it. */
export interface Checkpoint {
  /** `context.noun-list` for a projection, `reactor.…` for a reactor. */
  readonly name: string;
  readonly kind: 'projection' | 'reactor' | 'worker';
  readonly version: number;
  readonly cursor: string | null;
  readonly movedAt: Date;
  /** Set while it is stopped by an event that cannot be applied; `event` is its id, where it is known. */
  readonly stalled: { readonly since: Date; readonly event: string | null; readonly error: string | null } | null;
  /** Ids of events that an operator has let pass. */
  readonly skipped: readonly string[];
}

export async function checkpoints(client: Pick<ClientBase, 'query'>): Promise<Checkpoint[]> {
  const { rows } = await client.query<
    Pick<Checkpoint, 'name' | 'kind' | 'version' | 'cursor' | 'movedAt' | 'skipped'> & {
      since: Date | null;
      event: string | null;
      error: string | null;
    }
  >(`select name, kind, version, cursor, moved_at as "movedAt", skipped, stalled_since as since, stalled_event as event, error
       from engine.checkpoint order by kind, name`);
  return rows.map(({ since, event, error, ...row }) => ({ ...row, stalled: since && { since, event, error } }));
}

/**
 * Lets a stopped projection pass the event that stops it. Answers the event's id, or null if nothing is stopped. The
 * process that runs the projection notices at its next attempt.
 */
export async function skipStalled(client: Pick<ClientBase, 'query'>, name: string): Promise<string | null> {
  const { rows } = await client.query<{ id: string }>(
    `update engine.checkpoint
        set skipped = skipped || stalled_event, error = null, stalled_event = null, stalled_since = null
      where name = $1 and stalled_event is not null returning skipped[cardinality(skipped)] as id`,
    [name],
  );
  return rows[0]?.id ?? null;
}

/**
 * Empties a projection, which whoever runs it then fills anew from the first event, also with those that were skipped.
 * False: no such projection.
 */
export async function rebuild(client: ClientBase, name: string): Promise<boolean> {
  const { rows } = await client.query<{ version: number; tables: string[] }>(
    `select version, tables from engine.checkpoint where name = $1 and kind = 'projection'`,
    [name],
  );
  return rows[0] ? empty(client, name, rows[0].version, rows[0].tables) : false;
}

/** Empties the tables and the cursor, unless somebody else has done so already. */
export async function empty(
  client: ClientBase,
  name: string,
  version: number,
  tables: readonly string[],
  from = version,
): Promise<boolean> {
  return transaction(client, async () => {
    const { rowCount } = await client.query(
      `update engine.checkpoint
          set version = $2, tables = $3, cursor = null, moved_at = now(),
              error = null, stalled_event = null, stalled_since = null, skipped = '{}'
        where name = $1 and version = $4`,
      [name, version, tables, from],
    );
    if (rowCount === 0) return false;
    if (tables.length > 0) {
      const names = tables.map((table) =>
        table
          .split('.')
          .map((part) => client.escapeIdentifier(part))
          .join('.'),
      );
      await client.query(`truncate ${names.join(', ')}`);
    }
    return true;
  });
}

/** Commits when `act` answers true, otherwise rolls back. */
export async function transaction(client: ClientBase, act: () => Promise<boolean>): Promise<boolean> {
  await client.query('begin');
  try {
    const done = await act();
    await client.query(done ? 'commit' : 'rollback');
    return done;
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    throw error;
  }
}
