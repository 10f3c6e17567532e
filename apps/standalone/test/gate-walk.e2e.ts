import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type FreshDatabase, freshDatabase, until } from '@symbolon/testing';
import { AgentRun, buildPrograms, ServerProcess, temporaryFolder } from './server-process';

jest.setTimeout(600_000);

/**
 * Kill -9 of the server between any two events of a gate. The append of one event is made to wait in the database, the
 * server is killed there, what waited is undone, and the server started again: the gate must end as it would have.
 */
let database: FreshDatabase;
let server: ServerProcess;
let folder: string;
let token: string;
const agents: AgentRun[] = [];
const lock = 471_100;

beforeAll(async () => {
  buildPrograms();
  database = await freshDatabase();
  folder = temporaryFolder();
  server = await ServerProcess.create({ DATABASE_URL: database.url });
  await server.start();
  token = await server.profile('gate@example.org');
  const rules = join(folder, 'rules.json');
  const operation = 'data_token.space_reserved';
  const yes = { name: 'yes', vote: 'yes', operation, context: 'agreed/*' };
  writeFileSync(rules, JSON.stringify({ rules: [yes] }));
  for (const name of ['one', 'two']) {
    const dir = join(folder, name);
    const deviceIdentifier = await server.device(token, dir);
    const agent = new AgentRun(dir, ['--role', 'authenticator', '--rules', rules]);
    agents.push(agent);
    await agent.start();
    await server.done('/verified-authenticator/register', { deviceIdentifier }, token);
  }
  await server.done('/verified-authenticator/set-quorum-strategy', { strategy: 'unanimous' }, token);
  await server.done('/verified-authenticator/set-quorum-size', { quorumSize: 2 }, token);
  await server.done('/verified-authenticator/set-maximum-voting-attempts', { numberOfAttempts: 2 }, token);
  const policy = { policyTemplateId: 'data_change', applyingEventIds: [operation] };
  const { body } = await server.done('/policy/register', policy, token);
  await server.done('/policy/activate', { policyId: body.id }, token);
  await database.pool.query(`
    create table public.held (type text, nth int, marker bigint);
    create function public.hold() returns trigger language plpgsql as $$
    begin
      if exists (select from public.held h where h.type = new.type
                  and h.nth = (select count(*) from es.event e where e.type = new.type and e.position > h.marker)) then
        perform pg_advisory_xact_lock(${lock});
      end if;
      return new;
    end $$;
    create trigger hold before insert on es.event for each row execute function public.hold();
  `);
});

afterAll(async () => {
  for (const agent of agents) await agent.kill('SIGTERM');
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
  await database.drop();
});

interface Gated {
  readonly commandId: string;
  readonly marker: string;
}

async function submit(context: string): Promise<Gated> {
  const { rows } = await database.pool.query('select coalesce(max(position), 0) as marker from es.event');
  const path = '/data-token/reserve-token-space';
  const { status, body } = await server.call('POST', path, { context, ttl: 60 }, token);
  expect(status).toBe(202);
  return { commandId: body.commandId, marker: rows[0].marker };
}

/** Types of the events that this command has brought about, in the order of the log. */
async function course({ commandId, marker }: Gated): Promise<string[]> {
  const { rows } = await database.pool.query<{ type: string }>(
    `select type from es.event
      where position > $1 and (meta->>'correlationId' = $2 or data->>'commandId' = $2
         or data->>'poolId' in (select data->>'poolId' from es.event where data->>'commandId' = $2 and type = 'poll.created')
         or type = 'ballot.vote_received')
      order by position`,
    [marker, commandId],
  );
  return rows.map(({ type }) => type);
}

async function ended({ commandId }: Gated): Promise<{ status: string; reason: string | null }> {
  const { body } = await until(async () => {
    const answer = await server.call('GET', `/request-status/${commandId}`, undefined, token);
    return answer.status === 200 ? answer : null;
  }, 'the command to end');
  return { status: body.status, reason: body.reason };
}

/** How often each type occurs. */
function counted(types: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const type of types) counts[type] = (counts[type] ?? 0) + 1;
  return counts;
}

/** Votes race: which of them still counts, is late or is void differs from run to run. */
const racing = ['ballot.vote_received', 'ballot.cast', 'ballot.voided', 'ballot.vote_discarded'];

/** Every place that every run passes: before the n-th event of each type, but for the one that begins it all. */
function places(types: readonly string[]): Array<readonly [string, number]> {
  const seen: Record<string, number> = {};
  return types
    .map((type) => [type, (seen[type] = (seen[type] ?? -1) + 1)] as const)
    .filter(([type]) => type !== 'command.accepted' && type !== 'ballot.vote_discarded')
    .filter(([type, nth]) => nth === 0 || !racing.includes(type));
}

/** Whose append waits now, in this database. */
async function waiting(): Promise<number[]> {
  const { rows } = await database.pool.query<{ pid: number }>(
    `select l.pid from pg_locks l join pg_database d on d.oid = l.database
      where l.locktype = 'advisory' and l.objid = $1 and not l.granted and d.datname = current_database()`,
    [lock],
  );
  return rows.map(({ pid }) => pid);
}

/** Runs the command up to this place, kills the server there, and lets it go on. */
async function killedBefore([type, nth]: readonly [string, number], context: string): Promise<Gated> {
  const holder = await database.pool.connect();
  try {
    await holder.query('select pg_advisory_lock($1)', [lock]);
    const { rows } = await holder.query('select coalesce(max(position), 0) as marker from es.event');
    await holder.query('insert into public.held values ($1, $2, $3)', [type, nth, rows[0].marker]);
    const gated = await submit(context);
    await until(async () => (await waiting()).length > 0, 'the append to wait').catch(() => {
      throw new Error(`no ${type} number ${nth} came`);
    });
    await server.kill('SIGKILL');
    // The killed server's own append must not be stored after all.
    await holder.query('select pg_terminate_backend(pid) from unnest($1::int[]) as pid', [await waiting()]);
    await until(async () => (await waiting()).length === 0, 'the append to be undone');
    return gated;
  } finally {
    await holder.query('delete from public.held');
    await holder.query('select pg_advisory_unlock($1)', [lock]);
    holder.release();
  }
}

const branches = [
  { name: 'agreed', end: { status: 'succeeded', reason: null } },
  { name: 'refused', end: { status: 'rejected', reason: 'poll.rejected' } },
];

test.each(branches)('a gate that is $name ends so wherever the server is killed', async ({ name, end }) => {
  const reference = await submit(`${name}/reference`);
  expect(await ended(reference)).toEqual(end);
  const types = await course(reference);
  for (const type of ['policy.gate_opened', 'command.pending_vote', 'poll.created', 'ballot.issued', 'ballot.cast'])
    expect(types).toContain(type);
  expect(types.includes('data_token.space_reserved')).toBe(name === 'agreed');
  expect(types.filter((type) => type === 'poll.created')).toHaveLength(name === 'agreed' ? 1 : 2);

  for (const place of places(types)) {
    const gated = await killedBefore(place, `${name}/${place.join('/')}`);
    await server.start();
    expect([...place, await ended(gated)]).toEqual([...place, end]);
    const found = counted(await course(gated));
    const wanted = counted(types);
    for (const type of racing) {
      delete found[type];
      delete wanted[type];
    }
    expect([...place, found]).toEqual([...place, wanted]);
  }
});

test('no ballot went out twice, no device voted twice, and nothing ran without its vote', async () => {
  const doubled = async (type: string, ...keys: string[]) => {
    const columns = keys.map((key) => `data->>'${key}'`).join(', ');
    const { rows } = await database.pool.query(
      `select ${columns} from es.event where type = $1 group by ${columns} having count(*) > 1`,
      [type],
    );
    return rows;
  };
  expect(await doubled('ballot.issued', 'poolId', 'deviceIdentifier')).toEqual([]);
  expect(await doubled('ballot.cast', 'ballotId')).toEqual([]);
  expect(await doubled('poll.resolved', 'poolId')).toEqual([]);
  expect(await doubled('policy.gate_opened', 'commandId')).toEqual([]);
  const { rows } = await database.pool.query(
    `select c.stream from es.event c join es.event g on g.type = 'policy.gate_opened' and g.data->>'commandId' = c.data->>'commandId'
      where c.type = 'command.cleared' and not exists (
        select from es.event p where p.type = 'poll.resolved' and p.data->>'commandId' = c.data->>'commandId'
           and p.data->>'outcome' = 'succeeded' and p.position < c.position)`,
  );
  expect(rows).toEqual([]);
});
