import { randomBytes, randomInt } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type FreshDatabase, freshDatabase, until } from '@symbolon/testing';
import { AgentRun, buildPrograms, ServerProcess, temporaryFolder } from './server-process';

/**
 * Five agents, of which two are killed and one is replaced while data is written and read: what was acknowledged is
 * there, and after a synchronization everybody holds all of it. `SYMBOLON_TEST_TOKENS` sets how many tokens.
 */
const size = Number(process.env['SYMBOLON_TEST_TOKENS'] ?? 150);
const writers = size >= 1000 ? 8 : 16;
/** Many go in batches. */
const perCall = size >= 1000 ? 50 : 1;
jest.setTimeout(120_000 + size * 300);

interface Agent {
  readonly deviceIdentifier: string;
  readonly run: AgentRun;
}

interface Kept {
  readonly token: string;
  readonly bytes: Buffer;
}

let database: FreshDatabase;
let server: ServerProcess;
let folder: string;
let token: string;
let agents: Agent[] = [];
const runs: AgentRun[] = [];

beforeAll(async () => {
  buildPrograms();
  database = await freshDatabase();
  folder = temporaryFolder();
  server = await ServerProcess.create({ DATABASE_URL: database.url });
  await server.start();
  token = await server.profile('many@example.org');
  for (let count = 0; count < 5; count++) agents.push(await newAgent());
});

afterAll(async () => {
  await Promise.all(runs.map((run) => run.kill('SIGKILL')));
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
  await database.drop();
});

async function newAgent(): Promise<Agent> {
  const dir = join(folder, String(runs.length));
  const deviceIdentifier = await server.device(token, dir);
  const run = new AgentRun(dir);
  runs.push(run);
  await run.start();
  await server.done('/storage/register', { deviceIdentifier }, token);
  return { deviceIdentifier, run };
}

/** Small ones mostly, and now and then one that does not fit into a message. */
function payload(): Buffer {
  return randomBytes(randomInt(50) === 0 ? 70_000 + randomInt(100_000) : 1 + randomInt(2_000));
}

async function write(): Promise<Kept> {
  const { commandId } = await server.done('/data-token/reserve-token-space', { context: 'many', ttl: 60 }, token);
  const path = `/data-token/retrieve-temporary-data-token/${commandId}`;
  const { body: space } = await server.call('GET', path, undefined, token);
  const bytes = payload();
  if (bytes.length < 65_536) {
    const data = bytes.toString('base64');
    await server.done('/data-token/exchange-data-for-token', { temporaryTokenSpace: space.token, data }, token);
  } else {
    const answer = await fetch(space.stream, {
      method: 'POST',
      body: new Uint8Array(bytes),
      headers: { prefer: 'wait=30' },
    });
    const { status } = (await answer.json()) as { status: string };
    if (status !== 'succeeded') throw new Error(`an upload ended as ${status}`);
  }
  return { token: space.token, bytes };
}

async function read({ token: dataToken, bytes }: Kept): Promise<void> {
  const { body } = await server.done('/data-token/request-data', { token: dataToken }, token);
  const got = Buffer.from(await (await fetch(body.downloadUrl)).arrayBuffer());
  if (!got.equals(bytes)) throw new Error('other bytes than those that were handed in');
}

/** Commands that take longer than a call may wait. */
async function finished(path: string, fields: object): Promise<any> {
  const { status, body } = await server.call('POST', path, fields, token, { prefer: 'wait=30' });
  if (status !== 200 && status !== 202) throw new Error(`${path} ended as ${status} ${JSON.stringify(body)}`);
  const end = await until(
    async () => {
      const told = await server.call('GET', `/request-status/${body.commandId}`, undefined, token, {
        prefer: 'wait=10',
      });
      return told.status === 200 && told.body;
    },
    'the command to end',
    { seconds: 60 + size },
  );
  if (end.status !== 'succeeded') throw new Error(`${path} ended as ${end.reason}`);
  return end;
}

async function writeMany(count: number): Promise<Kept[]> {
  const all = [await write()];
  const values = Array.from({ length: count - 1 }, () => randomBytes(1 + randomInt(2_000)));
  if (values.length === 0) return all;
  const items = values.map((bytes) => ({ data: bytes.toString('base64') }));
  const { body } = await finished('/data-token/batch', { context: 'many', items });
  for (const [index, bytes] of values.entries()) {
    const { status, token: dataToken } = body.items[index];
    if (status !== 'succeeded') throw new Error(`a value ended as ${JSON.stringify(body.items[index])}`);
    all.push({ token: dataToken, bytes });
  }
  return all;
}

async function readMany(some: readonly Kept[]): Promise<void> {
  if (some.length === 1) return read(some[0]!);
  const { body } = await finished('/data-token/batch-request', { tokens: some.map((one) => one.token) });
  for (const [index, { bytes }] of some.entries()) {
    const { status, downloadUrl } = body.items[index];
    if (status !== 'succeeded') throw new Error(`a request ended as ${JSON.stringify(body.items[index])}`);
    const got = Buffer.from(await (await fetch(downloadUrl)).arrayBuffer());
    if (!got.equals(bytes)) throw new Error('other bytes than those that were handed in');
  }
}

async function inParallel(times: number, act: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < times; index = next++) await act(index);
  };
  await Promise.all(Array.from({ length: writers }, worker));
}

async function synchronize({ deviceIdentifier }: Agent): Promise<{ commandId: string; result: unknown }> {
  const { commandId, body } = await finished('/storage/synchronize', { deviceIdentifier });
  return { commandId, result: body };
}

const copied = async (commandId: string): Promise<number> => {
  const { rows } = await database.pool.query(
    `select count(*)::int as n from es.event where type = 'storage.copy_ordered' and meta->>'commandId' = $1`,
    [commandId],
  );
  return rows[0].n;
};

test('every acknowledged token outlives that agents come and go, and all agents end up with the same', async () => {
  const kept: Kept[] = [];
  const [killed, replaced] = agents.map((agent) => ({ agent, at: Math.random() })).sort((a, b) => a.at - b.at);
  const events: Array<{ at: number; act: () => Promise<void> }> = [
    { at: 0.2 + Math.random() * 0.2, act: () => killed!.agent.run.kill('SIGKILL') },
    { at: 0.4 + Math.random() * 0.1, act: () => replaced!.agent.run.kill('SIGKILL') },
    {
      at: 0.5 + Math.random() * 0.1,
      act: async () => {
        const { deviceIdentifier } = replaced!.agent;
        agents = agents.filter((agent) => agent !== replaced!.agent);
        await server.done('/device/remove', { deviceIdentifier }, token);
        agents.push(await newAgent());
      },
    },
    { at: 0.7 + Math.random() * 0.2, act: () => killed!.agent.run.start() },
  ];
  let trouble: Promise<void> = Promise.resolve();
  const started = Date.now();
  await inParallel(size / perCall, async (index) => {
    while (events[0] && index * perCall >= events[0].at * size) {
      const { act } = events.shift()!;
      trouble = trouble.then(act);
    }
    kept.push(...(await writeMany(perCall)));
    if (index % 4 === 0) await read(kept[randomInt(kept.length)]!);
  });
  await trouble;
  expect(kept).toHaveLength(size);
  const written = Date.now();

  const results: unknown[] = [];
  for (const agent of agents) results.push((await synchronize(agent)).result);
  expect(results).toEqual(agents.map(() => ({ count: size, missing: 0 })));
  const equal = Date.now();

  // The inventories themselves say so: nothing is left to copy, and nobody holds anything else.
  for (const agent of agents) expect(await copied((await synchronize(agent)).commandId)).toBe(0);
  const { body: storages } = await server.call('GET', '/storage/list-storage-devices', undefined, token);
  expect(storages.items.map((item: { tokensHeld: number }) => item.tokensHeld)).toEqual(agents.map(() => size));
  for (const { run } of agents) {
    await run.kill('SIGKILL');
    await run.start();
    expect(run.objects).toBe(size);
  }

  // Any two of them are enough to give back all of it.
  await Promise.all(agents.slice(0, 3).map(({ run }) => run.kill('SIGKILL')));
  const reading = Date.now();
  await inParallel(size / perCall, (index) => readMany(kept.slice(index * perCall, (index + 1) * perCall)));
  const seconds = (from: number, to: number) => ((to - from) / 1000).toFixed(1);
  if (process.env['SYMBOLON_TEST_TOKENS'])
    process.stdout.write(
      `${size} tokens: written in ${seconds(started, written)} s, synchronized in ${seconds(written, equal)} s, read in ${seconds(reading, Date.now())} s\n`,
    );
});
