import fc from 'fast-check';
import { each, fold, insert, type NetChange, remove, type RowChange, statement, update } from './row-change';

type Row = Record<string, unknown>;
type Tables = Map<string, Row>;
const defaults: Row = { a: 'default', b: 'default' };

/** What the database does with a change, on a table `t` with columns a and b. */
function apply(tables: Tables, change: RowChange | NetChange): void {
  if (change.kind === 'statement') {
    for (const row of tables.values()) row['a'] = `${String(row['a'])}${change.sql}`;
    return;
  }
  if (change.kind === 'each') {
    const row = tables.get(String(change.record['row']));
    if (row) row['a'] = `${String(row['a'])}${change.sql}`;
    return;
  }
  const id = `${change.table} ${JSON.stringify(change.key)}`;
  const row = tables.get(id);
  if (change.kind === 'delete') tables.delete(id);
  else if (change.kind === 'update') row && Object.assign(row, change.values);
  else if (change.kind === 'replace') tables.set(id, { ...defaults, ...change.values });
  else tables.set(id, { ...(row ?? defaults), ...change.values });
}

const key = fc.constantFrom('1', '2', '3').map((id) => ({ id }));
const table = fc.constantFrom('s.t', 's.u');
const values = fc.record(
  { a: fc.integer({ max: 9, min: 0 }), b: fc.integer({ max: 9, min: 0 }) },
  { requiredKeys: [] },
);
export const changes = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.tuple(table, key, values).map((parts) => insert(...parts)) },
    { weight: 4, arbitrary: fc.tuple(table, key, values).map((parts) => update(...parts)) },
    { weight: 3, arbitrary: fc.tuple(table, key).map((parts) => remove(...parts)) },
    { weight: 1, arbitrary: fc.constant(statement('!')) },
    {
      weight: 4,
      arbitrary: fc.tuple(fc.constantFrom('+', '-'), table, key).map(([sql, name, { id }]) => {
        const row = `${name} ${JSON.stringify({ id })}`;
        return each(sql, { tables: [name], ids: [row] }, { row });
      }),
    },
  ),
  { maxLength: 30 },
);

describe('folded changes', () => {
  test('have the effect of the changes one after the other', () => {
    fc.assert(
      fc.property(changes, fc.array(fc.tuple(table, key)), (all, present) => {
        const begin = () => {
          const tables: Tables = new Map();
          for (const [name, id] of present) apply(tables, insert(name, id, { a: 'old' }));
          return tables;
        };
        const one = begin();
        for (const change of all) apply(one, change);
        const folded = begin();
        for (const step of fold(all)) {
          if (step.kind === 'statement') apply(folded, step);
          else if (step.kind === 'each') {
            const { sql, records } = step;
            for (const record of records) apply(folded, each(sql, { tables: [], ids: [] }, record));
          } else for (const change of step.changes) apply(folded, change);
        }
        expect(new Map([...folded].sort())).toEqual(new Map([...one].sort()));
      }),
      { numRuns: 2000 },
    );
  });

  test('name each row at most once in a step, in whatever order', () => {
    fc.assert(
      fc.property(changes, (all) => {
        for (const step of fold(all)) {
          if (step.kind !== 'rows') continue;
          const rows = step.changes.map((change) => `${change.table} ${JSON.stringify(change.key)}`);
          expect(new Set(rows).size).toBe(rows.length);
        }
      }),
    );
  });

  test.each([
    [
      'insert and update',
      [insert('s.t', { id: 1 }, { a: 1 }), update('s.t', { id: 1 }, { b: 2 })],
      ['insert', { a: 1, b: 2 }],
    ],
    [
      'update and update',
      [update('s.t', { id: 1 }, { a: 1 }), update('s.t', { id: 1 }, { a: 2 })],
      ['update', { a: 2 }],
    ],
    ['insert and delete', [insert('s.t', { id: 1 }, { a: 1 }), remove('s.t', { id: 1 })], ['delete', {}]],
    ['delete and update', [remove('s.t', { id: 1 }), update('s.t', { id: 1 }, { a: 1 })], ['delete', {}]],
    ['delete and insert', [remove('s.t', { id: 1 }), insert('s.t', { id: 1 }, { a: 1 })], ['replace', { a: 1 }]],
  ])('%s are one', (_, all, [kind, net]) => {
    expect(fold(all)).toMatchObject([{ kind: 'rows', changes: [{ kind, values: net }] }]);
  });

  test('one SQL for many records is one step, beside others and beside rows of other tables', () => {
    const of = (sql: string, id: string) => each(sql, { tables: ['s.t'], ids: [id] }, { id });
    const changes = [of('+', '1'), insert('s.u', { id: 1 }), of('-', '2'), of('+', '3')];
    expect(fold(changes)).toMatchObject([
      { kind: 'rows' },
      { kind: 'each', sql: '+', records: [{ id: '1' }, { id: '3' }] },
      { kind: 'each', sql: '-', records: [{ id: '2' }] },
    ]);
    expect(fold([...changes, of('-', '1')])).toHaveLength(4);
    expect(fold([...changes, insert('s.t', { id: 1 })])).toHaveLength(4);
    expect(fold([insert('s.t', { id: 1 }), ...changes])).toHaveLength(4);
  });

  test('an insert after an update is a step of its own', () => {
    expect(fold([update('s.t', { id: 1 }, { a: 1 }), insert('s.t', { id: 1 }, { b: 1 })])).toHaveLength(2);
  });

  test('changes of one table by different keys do not meet in a step', () => {
    expect(fold([insert('s.t', { id: 1 }), remove('s.t', { owner: 1 }), insert('s.t', { id: 1 })])).toHaveLength(3);
  });

  test('the same key in another spelling is the same row', () => {
    const id = 'ABCDEF00-0000-7000-8000-000000000000';
    expect(fold([insert('s.t', { id, n: 1 }), remove('s.t', { n: '1', id: id.toLowerCase() })])).toMatchObject([
      { changes: [{ kind: 'delete' }] },
    ]);
  });

  test('a key cannot be set', () => {
    expect(() => fold([update('s.t', { id: 1 }, { id: 2 })])).toThrow(/key column id/);
  });
});
