/**
 * The value of a column: string, number, bigint, boolean, null, `Date`, `Buffer` (bytea), an array (array columns) or any
 * JSON value (json and jsonb columns; there a string is a JSON string). Undefined columns are left out.
 */
export type ColumnValue = unknown;
export type Columns = Readonly<Record<string, ColumnValue>>;

/**
 * What an event means for a table. `table` is `schema.table`; `key` names its primary key (or a unique key), always with
 * the same columns for one table, and never changes. A projection gathers the changes of a whole batch and writes them
 * together, so that the order between rows of different keys is not kept within a batch.
 */
export type RowChange =
  /** Sets these columns of the row, which is made if missing. */
  | { readonly kind: 'insert'; readonly table: string; readonly key: Columns; readonly values: Columns }
  /** Sets these columns if the row exists. */
  | { readonly kind: 'update'; readonly table: string; readonly key: Columns; readonly values: Columns }
  | { readonly kind: 'delete'; readonly table: string; readonly key: Columns }
  /** See `each`. */
  | Each
  /** Anything else. A barrier: what came before is written before it, what comes after it later. */
  | { readonly kind: 'statement'; readonly sql: string; readonly params: readonly unknown[] };

export interface Each {
  readonly kind: 'each';
  readonly sql: string;
  readonly scope: Scope;
  readonly record: Columns;
}

/** What a change looks at and writes: tables, and in them nothing but what belongs to these ids. */
export interface Scope {
  readonly tables: readonly string[];
  readonly ids: readonly string[];
}

/**
 * The same SQL for many events at once. `$1` is a JSON array of records, for `json_to_recordset`. Changes of a batch that
 * have no id in common are gathered, and those with the same SQL become one command: none of them may rest on what
 * another one writes.
 */
export function each(sql: string, scope: Scope, record: Columns): RowChange {
  return { kind: 'each', sql, scope, record };
}

export function insert(table: string, key: Columns, values: Columns = {}): RowChange {
  return { kind: 'insert', table, key, values };
}

export function update(table: string, key: Columns, values: Columns): RowChange {
  return { kind: 'update', table, key, values };
}

export function remove(table: string, key: Columns): RowChange {
  return { kind: 'delete', table, key };
}

export function statement(sql: string, params: readonly unknown[] = []): RowChange {
  return { kind: 'statement', sql, params };
}

/** The net effect on one row. `replace`: the row as if it had been deleted and inserted anew. */
export interface NetChange {
  readonly kind: 'insert' | 'update' | 'delete' | 'replace';
  readonly table: string;
  readonly key: Columns;
  readonly values: Columns;
}

/** What can be written at once: at most one change per row; one SQL for many records; or one statement. */
export type Step =
  | { readonly kind: 'rows'; readonly changes: readonly NetChange[] }
  | { readonly kind: 'each'; readonly sql: string; readonly records: readonly Columns[] }
  | { readonly kind: 'statement'; readonly sql: string; readonly params: readonly unknown[] };

/**
 * Folds changes to the fewest steps with the same effect as all changes one after the other. Within a step the changes
 * concern different rows, hence commute.
 */
export function fold(changes: readonly RowChange[]): Step[] {
  const steps: Step[] = [];
  let rows = new Map<string, NetChange>();
  let keys = new Map<string, string>();
  let gathered = new Map<string, Columns[]>();
  const scope = { tables: new Set<string>(), ids: new Set<string>() };
  const barrier = () => {
    if (rows.size > 0) steps.push({ kind: 'rows', changes: [...rows.values()] });
    for (const [sql, records] of gathered) steps.push({ kind: 'each', sql, records });
    rows = new Map();
    keys = new Map();
    gathered = new Map();
    scope.tables.clear();
    scope.ids.clear();
  };
  for (const change of changes) {
    if (change.kind === 'each') {
      const { tables, ids } = change.scope;
      if (ids.some((id) => scope.ids.has(id)) || tables.some((name) => keys.has(name))) barrier();
      for (const id of ids) scope.ids.add(id);
      for (const name of tables) scope.tables.add(name);
      const records = gathered.get(change.sql);
      if (records) records.push(change.record);
      else gathered.set(change.sql, [change.record]);
      continue;
    }
    if (change.kind === 'statement') {
      barrier();
      steps.push(change);
      continue;
    }
    if (change.kind === 'update' && Object.values(change.values).every((value) => value === undefined)) continue;
    const columns = Object.keys(change.key).sort();
    const signature = columns.join();
    const next: NetChange = { values: {}, ...change };
    for (const column of columns) {
      if (column in next.values) throw new Error(`${change.table}: the key column ${column} cannot be set`);
    }
    if (scope.tables.has(change.table)) barrier();
    // One row may be named by two keys: only changes by the same key can be told apart.
    if ((keys.get(change.table) ?? signature) !== signature) barrier();
    keys.set(change.table, signature);
    const id = `${change.table}\n${JSON.stringify(columns.map((column) => identity(change.key[column])))}`;
    const before = rows.get(id);
    // Whether the update met a row decides what an insert after it leaves: they cannot be one.
    if (before?.kind === 'update' && next.kind === 'insert') {
      barrier();
      keys.set(change.table, signature);
      rows.set(id, next);
    } else {
      rows.set(id, before ? combine(before, next) : next);
    }
  }
  barrier();
  return steps;
}

function combine(before: NetChange, next: NetChange): NetChange {
  switch (next.kind) {
    case 'delete':
    case 'replace':
      return next;
    case 'insert':
      return before.kind === 'delete'
        ? { ...next, kind: 'replace' }
        : { ...before, values: { ...before.values, ...next.values } };
    case 'update':
      return before.kind === 'delete' ? before : { ...before, values: { ...before.values, ...next.values } };
  }
}

/** Equal for values that PostgreSQL holds for equal in a key: uuids ignore case, numbers may come as text. */
function identity(value: ColumnValue): string {
  if (value instanceof Date) return value.toISOString();
  if (Buffer.isBuffer(value)) return `\\x${value.toString('hex')}`;
  if (typeof value === 'string') return uuid.test(value) ? value.toLowerCase() : value;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
