import type { ClientBase } from 'pg';
import type { Columns, ColumnValue, NetChange, Step } from './row-change';

interface Table {
  /** Type of each column as a cast names it. */
  readonly types: ReadonlyMap<string, string>;
  /** Columns that can be written. */
  readonly writable: readonly string[];
}

/** A condition and what must hold for the rows to be written: the compare-and-set of the cursor. */
export interface Move {
  readonly name: string;
  readonly version: number;
  readonly from: string | null;
  readonly to: string;
}

interface Group {
  readonly kind: NetChange['kind'];
  readonly table: string;
  readonly key: readonly string[];
  readonly columns: readonly string[];
  readonly rows: string[];
}

/**
 * Writes folded changes with one SQL command per step: one array of JSON records per table, kind and set of columns,
 * spread by `json_to_recordset` with the columns' own types.
 */
export class RowWriter {
  private readonly tables = new Map<string, Promise<Table>>();

  /**
   * Moves the cursor and writes the rows in one command, which is a transaction of its own: one round trip.
   * Answers false, with nothing written, when the cursor does not stand where it should.
   */
  async move(client: ClientBase, move: Move, changes: readonly NetChange[]): Promise<boolean> {
    const params: unknown[] = [move.name, move.version, move.from, move.to];
    const writes = await this.writes(client, changes, params, 'exists (select from moved)');
    const text = `with moved as (${compareAndSet}), ${writes.join(', ')}
      select ${withoutWaiting}, count(*)::int as moved from moved`;
    const { rows } = await client.query<{ moved: number }>(text, params);
    return rows[0]?.moved === 1;
  }

  /** Moves the cursor alone. */
  async advance(client: ClientBase, move: Move): Promise<boolean> {
    const text = `with moved as (${compareAndSet}) select ${withoutWaiting}, count(*)::int as moved from moved`;
    const { rows } = await client.query<{ moved: number }>(text, [move.name, move.version, move.from, move.to]);
    return rows[0]?.moved === 1;
  }

  /** Writes one step within the transaction of `client`. */
  async write(client: ClientBase, step: Step): Promise<void> {
    if (step.kind === 'statement') {
      await client.query(step.sql, [...step.params]);
      return;
    }
    if (step.kind === 'each') {
      await client.query(step.sql, [storable(JSON.stringify(step.records))]);
      return;
    }
    const params: unknown[] = [];
    const writes = await this.writes(client, step.changes, params, 'true');
    await client.query(`with ${writes.join(', ')} select 1`, params);
  }

  private async writes(client: ClientBase, changes: readonly NetChange[], params: unknown[], when: string) {
    const groups = new Map<string, Group>();
    for (const change of changes) {
      const table = await this.table(client, change.table);
      const key = Object.keys(change.key).sort();
      const columns = Object.keys(change.values)
        .filter((column) => change.values[column] !== undefined)
        .sort();
      const id = `${change.table} ${change.kind} ${key.join()} ${columns.join()}`;
      let group = groups.get(id);
      if (!group) groups.set(id, (group = { kind: change.kind, table: change.table, key, columns, rows: [] }));
      group.rows.push(record(table, change.table, { ...change.key, ...change.values }));
    }
    const commands: string[] = [];
    for (const group of [...groups.values()].sort((a, b) => order[a.kind] - order[b.kind])) {
      const table = await this.table(client, group.table);
      params.push(`[${group.rows.join()}]`);
      commands.push(command(group, table, params.length, when));
    }
    return commands;
  }

  private table(client: ClientBase, name: string): Promise<Table> {
    let table = this.tables.get(name);
    if (!table) {
      table = describe(client, name);
      this.tables.set(name, table);
      table.catch(() => this.tables.delete(name));
    }
    return table;
  }

  /** Learns the tables anew: after an error their columns may have changed. */
  forget(): void {
    this.tables.clear();
  }
}

/**
 * PostgreSQL carries out the parts of a command from the last to the first. Deleting first lets a unique value pass from
 * one row to another; where that is not enough the runner falls back to one change after the other.
 */
const order = { insert: 0, replace: 0, update: 1, delete: 2 } as const;

const compareAndSet = `update engine.checkpoint
  set cursor = $4, moved_at = clock_timestamp(), error = null, stalled_event = null, stalled_since = null
  where name = $1 and version = $2 and cursor is not distinct from $3 returning 1`;

/**
 * Rows and cursor stand in one transaction and can be made again from the log: the commit need not wait for the disk.
 * After a crash of the database both may be a little older, together.
 */
export const withoutWaiting = `set_config('synchronous_commit', 'off', true)`;

/** The parts of a command for one group: its rows as `g<param>`, and what is written with them. */
function command(
  { kind, table, key, columns }: Group,
  { types, writable }: Table,
  param: number,
  when: string,
): string {
  const target = quote(table);
  const all = [...key, ...columns];
  const shape = all.map((column) => `${quote(column)} ${types.get(column)}`).join(', ');
  const rows = `g${param}`;
  const given = `${rows} as materialized (select * from json_to_recordset($${param}::json) as r(${shape}))`;
  // Named once more as an array, the keys lead the planner to their index, however small it believes the table to be.
  const near = `t.${quote(key[0]!)} = any(array(select ${quote(key[0]!)} from ${rows}))`;
  const match = [near, ...key.map((column) => `t.${quote(column)} = r.${quote(column)}`), when].join(' and ');
  const assign = (names: readonly string[], from: string) =>
    names.map((column) => `${quote(column)} = ${from}.${quote(column)}`).join(', ');
  const written = (sql: string) => `${given}, w${param} as (${sql})`;
  switch (kind) {
    case 'delete':
      return written(`delete from ${target} t using ${rows} r where ${match}`);
    case 'update':
      return written(`update ${target} t set ${assign(columns, 'r')} from ${rows} r where ${match}`);
    case 'insert':
    case 'replace': {
      const names = all.map(quote).join(', ');
      // A column that is not inserted has its default in `excluded`.
      const set = kind === 'insert' ? columns : writable.filter((column) => !key.includes(column));
      const conflict = set.length === 0 ? 'do nothing' : `do update set ${assign(set, 'excluded')}`;
      return written(
        `insert into ${target} (${names}) select ${names} from ${rows} where ${when} on conflict (${key.map(quote).join(', ')}) ${conflict}`,
      );
    }
  }
}

async function describe(client: ClientBase, name: string): Promise<Table> {
  const { rows } = await client.query<{ name: string; type: string; computed: boolean }>(
    `select attname as name, format_type(atttypid, atttypmod) as type, attgenerated <> '' or attidentity = 'a' as computed
       from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped`,
    [quote(name)],
  );
  return {
    types: new Map(rows.map(({ name: column, type }) => [column, type])),
    writable: rows.filter(({ computed }) => !computed).map(({ name: column }) => column),
  };
}

function record({ types }: Table, name: string, columns: Columns): string {
  const fields: Record<string, unknown> = {};
  for (const [column, value] of Object.entries(columns)) {
    if (value === undefined) continue;
    const type = types.get(column);
    if (type === undefined) throw new Error(`${name} has no column ${column}`);
    fields[column] = encode(value, type);
  }
  return storable(JSON.stringify(fields));
}

function encode(value: ColumnValue, type: string): unknown {
  if (Buffer.isBuffer(value)) return `\\x${value.toString('hex')}`;
  if (typeof value === 'bigint') return value.toString();
  if (Array.isArray(value) && type.endsWith('[]')) return value.map((item) => encode(item, type.slice(0, -2)));
  return value;
}

/**
 * PostgreSQL holds neither NUL nor halves of surrogate pairs in a text. An event with one must not stop a projection
 * for everybody, so both become U+FFFD. JSON escapes both; a backslash before `u` may itself be escaped.
 */
function storable(json: string): string {
  if (!json.includes('\\u')) return json;
  return json.replace(/\\\\|\\u(?:0000|d[89a-f][0-9a-f]{2})/g, (found) => (found === '\\\\' ? found : '\ufffd'));
}

function quote(name: string): string {
  return name
    .split('.')
    .map((part) => `"${part.replaceAll('"', '""')}"`)
    .join('.');
}
