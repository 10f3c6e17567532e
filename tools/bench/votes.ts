import { TestDevice, type TestServer } from '@symbolon/testing';
import { median } from './figures';
import { cpuOf, cpuOfFamily } from './processes';
import { figure, type Section } from './report';
import type { Vault } from './vault';

interface Host {
  readonly postgres: { pid(): Promise<number | null> };
  vault(name?: string): Promise<Vault>;
}

const atOnce = 100;
const authenticators = 5;
const rounds = 4;

/** When the ballots of one poll came, and when its votes went. */
interface Course {
  commandSent: number;
  ballots: number[];
  votes: number[];
  ended: number;
}

/** Commands that wait for five people who agree at once: what the gate itself costs. */
export async function votes(bench: Host): Promise<Section> {
  const vault = await bench.vault('votes');
  const postgres = (await bench.postgres.pid()) ?? 0;
  const { call, done } = callsTo(vault);
  const reserve = (context: string) => call('/data-token/reserve-token-space', { context }, 30);

  const free: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await Promise.all(
      Array.from({ length: atOnce }, async (_, index) => {
        const sent = performance.now();
        await reserve(`free/${round}/${index}`);
        if (round > 0) free.push(performance.now() - sent);
      }),
    );
  }

  const courses = new Map<string, Course>();
  const server = { done, get: async (path: string) => ({ body: await call(path) }) } as unknown as TestServer;
  const profile = { profileId: '', username: '', password: '', token: vault.token };
  const devices: TestDevice[] = [];
  for (let index = 0; index < authenticators; index++) {
    const device = await TestDevice.of(server, profile, { storage: false });
    devices.push(device);
    device.behaviour['ballot.issued'] = (taken) => {
      const course = courses.get(taken.content.context.dataContext as string);
      course?.ballots.push(performance.now());
      device.vote(taken, 'yes');
      course?.votes.push(performance.now());
    };
    await device.connect();
    await done('/verified-authenticator/register', { deviceIdentifier: device.deviceIdentifier });
  }
  await done('/verified-authenticator/set-quorum-strategy', { strategy: 'unanimous' });
  await done('/verified-authenticator/set-quorum-size', { quorumSize: authenticators });
  const policy = { policyTemplateId: 'data_change', applyingEventIds: ['data_token.space_reserved'] };
  const { body } = await done('/policy/register', policy);
  await done('/policy/activate', { policyId: body['id'] });

  const processes = () => [cpuOf(vault.server.pid ?? 0), cpuOfFamily(postgres)];
  const out: number[] = [];
  const after: number[] = [];
  const whole: number[] = [];
  const perSecond: number[] = [];
  let before = processes();
  for (let round = 0; round < rounds; round++) {
    if (round === 1) before = processes();
    const begun = performance.now();
    await Promise.all(
      Array.from({ length: atOnce }, async (_, index) => {
        const context = `held/${round}/${index}`;
        const course: Course = { commandSent: performance.now(), ballots: [], votes: [], ended: 0 };
        courses.set(context, course);
        await reserve(context);
        course.ended = performance.now();
      }),
    );
    if (round > 0) perSecond.push((atOnce * 1000) / (performance.now() - begun));
    for (const { commandSent, ballots, votes: cast, ended } of courses.values()) {
      if (ballots.length < authenticators) throw new Error('a command ran before its ballots were out');
      if (round === 0) continue;
      out.push(Math.max(...ballots) - commandSent);
      after.push(ended - Math.max(...cast));
      whole.push(ended - commandSent);
    }
    courses.clear();
  }
  const [spent, database] = processes().map(
    (cpu, index) => (((cpu ?? NaN) - (before[index] ?? NaN)) / ((rounds - 1) * atOnce)) * 1000,
  );
  for (const device of devices) await device.leave();

  const at = (values: readonly number[], part: number) =>
    [...values].sort((a, b) => a - b)[Math.min(Math.floor(values.length * part), values.length - 1)] ?? NaN;
  const row = (name: string, values: readonly number[]) => [name, median(values), at(values, 0.99)];
  return {
    title: 'Commands that wait for a vote',
    how: `${atOnce} reservations at once, each held by a policy until ${authenticators} of ${authenticators} authenticators have said yes (unanimous, signed statements); the authenticators vote as soon as a ballot comes. "From command to ballots" ends with the last of its ballots; "from last vote to end" begins when the last vote was handed to the connection and ends with the answer that says succeeded. ${rounds - 1} rounds after one to warm up; devices, clients, server and PostgreSQL share the processors. ${figure(median(perSecond))} gated commands/s; processor time of each: server ${figure(spent ?? NaN)} ms, PostgreSQL ${figure(database ?? NaN)} ms. The reference: the same reservations before there was a policy.`,
    columns: [`${atOnce} at once`, 'median, ms', '99th percentile, ms'],
    rows: [
      row('without a policy, whole', free),
      row('from command to ballots', out),
      row('from last vote to end', after),
      row('with a vote, whole', whole),
    ],
    aims: [{ what: 'gated commands that settled', value: whole.length, atLeast: (rounds - 1) * atOnce }],
  };
}

function callsTo(vault: Vault) {
  const call = async (path: string, fields?: object, wait = 0): Promise<any> => {
    const answer = await fetch(`http://127.0.0.1:${vault.port}${path}`, {
      method: fields ? 'POST' : 'GET',
      headers: {
        'x-dpt-authorization': vault.token,
        ...(fields ? { 'content-type': 'application/json' } : {}),
        ...(wait > 0 ? { prefer: `wait=${wait}` } : {}),
      },
      ...(fields ? { body: JSON.stringify(fields) } : {}),
    });
    const body = (await answer.json()) as { status?: string; reason?: string };
    if (wait > 0 && body.status !== 'succeeded') throw new Error(`${path} ended as ${body.status}: ${body.reason}`);
    return body;
  };
  return { call, done: (path: string, fields: object) => call(path, fields, 30) };
}
