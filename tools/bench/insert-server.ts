import { randomBytes, uuid7 } from '@symbolon/crypto';
import fastify from 'fastify';
import { Pool } from 'pg';
import { answerTasks } from './part';

/** The reference of the commands: a bare Fastify whose one route does one INSERT and answers. */
const app = fastify();
const pool = new Pool({ connectionString: process.env['BENCH_DATABASE'], max: 32 });

app.post('/insert', async (request) => {
  const id = uuid7();
  const values = [id, { ...(request.body as object), note: randomBytes(100).toString('hex') }];
  await pool.query({ name: 'insert', text: 'insert into plain_command (id, data) values ($1, $2)', values });
  return { id, status: 'inserted' };
});

answerTasks(async () => {
  await pool.query('create table if not exists plain_command (id uuid primary key, data jsonb not null)');
  await app.listen({ host: '127.0.0.1', port: 0 });
  return (app.server.address() as { port: number }).port;
});
