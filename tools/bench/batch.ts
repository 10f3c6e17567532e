import { randomBytes } from '@symbolon/crypto';
import { median } from './figures';
import { cpuOf, cpuOfFamily } from './processes';
import { figure, type Section } from './report';
import type { Vault } from './vault';

interface Host {
  readonly postgres: { pid(): Promise<number | null> };
  vault(name?: string): Promise<Vault>;
}

interface Status {
  readonly commandId: string;
  readonly status: string;
  readonly body: { readonly items: ReadonlyArray<{ readonly token: string; readonly downloadUrl?: string }> };
}

const values = 1000;
const size = 200;
const rounds = 4;

/** Many small values in one command, from the call until a device holds every one of them. */
export async function batch(bench: Host): Promise<Section> {
  const vault = await bench.vault();
  const postgres = (await bench.postgres.pid()) ?? 0;
  const processes = () => [cpuOf(vault.server.pid ?? 0), cpuOf(vault.agent.pid ?? 0), cpuOfFamily(postgres)];
  const headers = { 'x-dpt-authorization': vault.token, 'content-type': 'application/json', prefer: 'wait=30' };
  const call = async (path: string, init: RequestInit): Promise<Status> =>
    (await (await fetch(`http://127.0.0.1:${vault.port}${path}`, { headers, ...init })).json()) as Status;
  const post = async (path: string, json: object): Promise<Status> => {
    let answer = await call(path, { method: 'POST', body: JSON.stringify(json) });
    while (answer.status === 'started') answer = await call(`/request-status/${answer.commandId}`, {});
    if (answer.status !== 'succeeded') throw new Error(`a batch ended as ${JSON.stringify(answer)}`);
    return answer;
  };
  const rows: Array<Array<string | number>> = [];
  let shares = '';
  for (const clients of [1, 4]) {
    const stored: number[] = [];
    const requested: number[] = [];
    const before = processes();
    for (let round = 0; round < rounds; round++) {
      const one = () => ({
        context: 'bench',
        items: Array.from({ length: values }, () => ({ data: randomBytes(size).toString('base64') })),
      });
      const batches = Array.from({ length: clients }, one);
      let begun = performance.now();
      const answers = await Promise.all(batches.map((json) => post('/data-token/batch', json)));
      if (round > 0) stored.push((clients * values * 1000) / (performance.now() - begun));
      begun = performance.now();
      await Promise.all(
        answers.map(({ body }) => post('/data-token/batch-request', { tokens: body.items.map(({ token }) => token) })),
      );
      if (round > 0) requested.push((clients * values * 1000) / (performance.now() - begun));
    }
    const after = processes();
    const done = rounds * clients * values * 2;
    const [server, agent, database] = after.map((cpu, index) => (((cpu ?? NaN) - (before[index] ?? NaN)) / done) * 1e6);
    if (clients === 4) {
      shares = `server ${figure(server ?? NaN)}, device ${figure(agent ?? NaN)}, PostgreSQL ${figure(database ?? NaN)}`;
    }
    rows.push([String(clients), median(stored), (values * 1000) / median(stored), median(requested)]);
  }
  return {
    title: 'Batches of small values',
    how: `\`POST /data-token/batch\` with ${values} values of ${size} bytes, until one device has acknowledged every one of them (a signed message each) and the command has succeeded; \`POST /data-token/batch-request\` until the data of all is ready. Medians of ${rounds - 1} rounds after one to warm up; client, server, device and PostgreSQL share the processors. Processor time per value, stored or requested, in microseconds with 4 clients: ${shares}.`,
    columns: ['clients', 'values acknowledged/s', 'ms per 1,000 and client', 'values requested/s'],
    rows: rows.map(([clients, rate, millis, requested]) => [
      clients!,
      rate!,
      Number(millis) * Number(clients),
      requested!,
    ]),
    aims: [
      {
        what: 'values acknowledged per second',
        value: Math.max(...rows.map(([, rate]) => Number(rate))),
        atLeast: 10_000,
      },
    ],
  };
}
