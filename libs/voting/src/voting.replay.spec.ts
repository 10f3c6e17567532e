import { generateEd25519, generateKeyPair } from '@symbolon/crypto';
import { EventStore } from '@symbolon/kernel';
import { Deadlines, ProjectionRunner, ReactorRunner } from '@symbolon/projection';
import { type Taken, TestDevice, type TestProfile, TestServer } from '@symbolon/testing';

/** Every decision has left its mark in the log: what reads the log again decides nothing anew. */
test('a server that has lost every cursor reacts to everything anew, and nothing is doubled, lost or judged again', async () => {
  let server = await TestServer.start();
  const ada: TestProfile = await server.profile();
  const authenticator = '/verified-authenticator';
  const [first, second] = [
    await TestDevice.of(server, ada, { storage: false }),
    await TestDevice.of(server, ada, { storage: false }),
  ];
  for (const device of [first, second]) {
    await server.done(`${authenticator}/register`, { deviceIdentifier: device.deviceIdentifier }, ada.token);
    await device.connect();
  }
  const rules = { name: 'rules', timeLimit: 3600, strategy: 'unanimous', numberOfAttempts: 2 };
  await server.done(`${authenticator}/voting-configuration/register`, rules, ada.token);
  const create = async (): Promise<string> =>
    (await server.done('/voting/create', { votingConfigurationId: 'rules', title: 't', question: 'q' }, ada.token)).body
      .poolId;
  const ballot = async (device: TestDevice, poolId: string): Promise<Taken> => {
    const find = () =>
      device.taken.find(({ envelope, content }) => envelope.type === 'ballot.issued' && content.poolId === poolId);
    await device.until(() => find() !== undefined);
    return find()!;
  };
  const pool = async (poolId: string) => (await server.get(`/voting/check-pool-status/${poolId}`, ada)).body;
  const until = async (poolId: string, expected: object) => {
    for (const giveUp = performance.now() + 20_000; ;) {
      const found = await pool(poolId);
      if (Object.entries(expected).every(([name, value]) => found[name] === value)) return found;
      if (performance.now() > giveUp) throw new Error(`waited in vain: ${JSON.stringify(found)}`);
    }
  };

  const failed = await create();
  first.vote(await ballot(first, failed), 'no');
  const { nextPoolId: again } = await until(failed, { status: 'rejected' });
  first.vote(await ballot(first, again), 'yes');
  await until(again, { yes: 1 });
  const refused = first.vote(await ballot(first, again), 'yes', { change: { statement: null } });
  await first.until(() =>
    first.taken.some(({ envelope }) => envelope.correlationId === refused && envelope.type === 'error'),
  );
  const open = await create();
  await ballot(second, open);
  // Removed and registered again: what it lost then it has lost, and what it has got since it keeps.
  await server.done(`${authenticator}/remove`, { deviceIdentifier: second.deviceIdentifier }, ada.token);
  await server.done(`${authenticator}/register`, { deviceIdentifier: second.deviceIdentifier }, ada.token);
  const last = await create();
  await ballot(second, last);
  const cancelled = await create();
  await server.done('/voting/cancel-pool', { poolId: cancelled }, ada.token);
  // Votes are not judged by keys that came later.
  const keys = { publicKey: generateKeyPair().publicKey, signingKey: generateEd25519().publicKey };
  await server.done(
    '/public-key/register-public-key',
    { ...keys, deviceIdentifier: first.deviceIdentifier },
    ada.token,
  );
  for (const device of [first, second]) await device.leave();

  const pools = [failed, again, open, last, cancelled];
  const shown = async () => ({
    pools: await Promise.all(pools.map(pool)),
    authenticators: (await server.get(`${authenticator}/list-verified-authenticators`, ada)).body.items.map(
      ({ online: _, lastSeenAt: __, ...item }: any) => item,
    ),
    configurations: (await server.get(`${authenticator}/voting-configuration/list`, ada)).body,
  });
  const events = async () =>
    (await server.database.pool.query('select stream, revision, type, data from es.event order by stream, revision'))
      .rows;
  const settled = async () => {
    const { app } = server.served;
    const tail = await app.get(EventStore).tail();
    await Promise.all([app.get(ProjectionRunner).passed(tail), app.get(ReactorRunner).passed(tail)]);
    await app.get(Deadlines).runDue();
  };
  await settled();
  const [before, stored] = [await shown(), await events()];
  expect(before.pools.map(({ status }: any) => status)).toEqual(['rejected', 'succeeded', 'open', 'open', 'cancelled']);
  const { database, dataDir, port } = server;
  await server.stop({ keep: true });

  await database.pool.query('update engine.checkpoint set cursor = null');
  await database.pool.query(
    'truncate voting.device, voting.authenticator, voting.configuration, voting.poll, voting.ballot',
  );
  server = await TestServer.start({ on: { database, dataDir, port } });
  await settled();
  expect(await events()).toEqual(stored);
  expect(await shown()).toEqual(before);
  await server.stop();
});
