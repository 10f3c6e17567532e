import { type FreshDatabase, freshDatabase } from '@symbolon/testing';
import { Pool } from 'pg';
import { PreparingClient } from './preparing-client';

describe('a connection that prepares its statements', () => {
  let database: FreshDatabase;
  let pool: Pool;

  beforeEach(async () => {
    database = await freshDatabase();
    pool = new Pool({ connectionString: database.url, max: 1, Client: PreparingClient });
    await pool.query('create table thing (id integer primary key, name text)');
    await pool.query('insert into thing values ($1, $2), ($3, $4)', [1, 'one', 2, 'two']);
  });
  afterEach(async () => {
    await pool.end();
    await database.drop();
  });

  test('answers like any other, and plans a statement once', async () => {
    for (const [id, name] of [
      [1, 'one'],
      [2, 'two'],
    ]) {
      const { rows } = await pool.query('select name from thing where id = $1', [id]);
      expect(rows).toEqual([{ name }]);
    }
    const { rows } = await pool.query(
      `select statement from pg_prepared_statements where statement like 'select name%'`,
    );
    expect(rows).toHaveLength(1);
  });

  test('rejects what the database refuses', async () => {
    await expect(pool.query('insert into thing values ($1)', [1])).rejects.toMatchObject({ code: '23505' });
    expect((await pool.query('select $1::integer as n', [7])).rows).toEqual([{ n: 7 }]);
  });

  test('goes on when somebody else has changed the columns of a table', async () => {
    const ask = () => pool.query('select * from thing where id = $1', [1]);
    expect((await ask()).rows).toEqual([{ id: 1, name: 'one' }]);
    await pool.query('alter table thing add column colour text');
    expect((await ask()).rows).toEqual([{ id: 1, name: 'one', colour: null }]);
    await pool.query('alter table thing drop column name');
    const client = await pool.connect();
    expect((await client.query('select * from thing where id = $1', [1])).rows).toEqual([{ id: 1, colour: null }]);
    client.release();
  });
});
