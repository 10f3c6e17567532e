import { randomBytes, uuid7 } from '@symbolon/crypto';
import { PostgresEventStore } from '@symbolon/event-store';
import type { Meta } from '@symbolon/kernel';
import { Client, Pool } from 'pg';
import { DataSource } from 'typeorm';
import { measure } from './figures';
import { answerTasks } from './part';

export interface AppendTask {
  readonly what: 'append' | 'insert';
  readonly clients: number;
  readonly seconds: number;
}

/** 300 bytes of JSON. */
const data = { note: randomBytes(144).toString('hex') };
const url = process.env['BENCH_DATABASE'];
const pool = new Pool({ connectionString: url });
const store = new PostgresEventStore(pool);
const connections: Client[] = [];
let ready: Promise<void> | null = null;

/** Makes the log, and the clients of the reference: a connection each, one prepared INSERT after the other. */
async function prepare(): Promise<void> {
  const dataSource = new DataSource({ type: 'postgres', url: url!, migrations: PostgresEventStore.migrations });
  await dataSource.initialize();
  await dataSource.runMigrations();
  await dataSource.destroy();
  await pool.query(
    'create table if not exists plain (id uuid primary key, data jsonb not null, recorded_at timestamptz default now())',
  );
  for (let n = 0; n < 64; n++) {
    const client = new Client({ connectionString: url });
    await client.connect();
    connections.push(client);
  }
}

async function append(): Promise<void> {
  const id = uuid7();
  const meta: Meta = { commandId: id, correlationId: id, causationId: id, actor: { profileId: null, kind: 'system' } };
  const answer = await store.append(`bench-${id}`, 'none', [{ id, type: 'bench.noted', version: 1, data }], meta);
  if (answer.status !== 'appended') throw new Error(`an append ended as ${answer.status}`);
}

async function insert(client: number): Promise<void> {
  await connections[client]?.query({
    name: 'insert',
    text: 'insert into plain (id, data) values ($1, $2)',
    values: [uuid7(), data],
  });
}

answerTasks(async ({ what, clients, seconds }: AppendTask) => {
  await (ready ??= prepare());
  return measure(clients, seconds, what === 'append' ? append : insert);
});
