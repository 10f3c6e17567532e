import { Agent, request } from 'node:http';
import { password, TestServer } from '@symbolon/testing';

jest.setTimeout(400_000);

const clients = 1000;
const names = Array.from({ length: 10 }, (_, n) => `racer-${n}@example.org`);

let server: TestServer;

beforeAll(async () => {
  server = await TestServer.start();
});

afterAll(() => server.stop());

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** A client with a connection of its own. */
class Client {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 1 });

  call(method: string, path: string, fields?: object): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const headers = fields ? { 'content-type': 'application/json' } : {};
      const asked = request(new URL(path, server.url), { method, agent: this.agent, headers }, (answer) => {
        let text = '';
        answer.on('data', (chunk: Buffer) => (text += chunk.toString()));
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
      });
      asked.on('error', reject);
      asked.end(fields && JSON.stringify(fields));
    });
  }

  leave(): void {
    this.agent.destroy();
  }
}

/** Those who were sent away (429) because too many passwords are being hashed; one may come again with each that is done. */
const sentAway: Array<() => void> = [];

async function register(client: Client, username: string): Promise<string> {
  for (;;) {
    const { status, text } = await client.call('POST', '/profile/register-profile', { username, password });
    if (status === 202) {
      sentAway.shift()?.();
      return (JSON.parse(text) as { commandId: string }).commandId;
    }
    expect(status).toBe(429);
    // The server ends connections that rest for long.
    client.leave();
    await new Promise<void>((resolve) => sentAway.push(resolve));
  }
}

test('of 1,000 clients that race for 10 names exactly 10 win, each a name', async () => {
  const all = Array.from({ length: clients }, () => new Client());
  // Connected a hundred at a time: the kernel keeps no more waiting than the listener asks for.
  for (let n = 0; n < clients; n += 100) {
    await Promise.all(all.slice(n, n + 100).map((client) => client.call('GET', '/health/live')));
  }
  const commands = await Promise.all(
    all.map((client, n) => {
      const name = names[n % names.length]!;
      return register(client, n % 3 === 0 ? name.toUpperCase() : name);
    }),
  );
  for (const client of all) client.leave();
  const ends = async () =>
    (
      await server.database.pool.query<{ type: string; reason: string | null; n: number }>(
        `select type, data->>'reason' as reason, count(*)::int as n from es.event
          where type in ('command.succeeded', 'command.rejected') and data->>'commandId' = any($1)
          group by 1, 2 order by 1, 2`,
        [commands],
      )
    ).rows;
  let found = await ends();
  while (found.reduce((sum, { n }) => sum + n, 0) < clients) found = await ends();
  expect(found).toEqual([
    { type: 'command.rejected', reason: 'profile.username_taken', n: clients - names.length },
    { type: 'command.succeeded', reason: null, n: names.length },
  ]);

  const { rows } = await server.database.pool.query(
    `select count(*)::int as profiles, count(distinct data->>'usernameHash')::int as names from es.event
      where type = 'profile.registered'`,
  );
  expect(rows).toEqual([{ profiles: names.length, names: names.length }]);
  for (const name of names) await server.login(name);
  const statuses = await Promise.all(
    commands.slice(0, 40).map(async (id) => (await server.get(`/request-status/${id}`)).body),
  );
  for (const { status, reason } of statuses) {
    expect(['succeeded null', 'rejected profile.username_taken']).toContain(`${status} ${reason}`);
  }
});
