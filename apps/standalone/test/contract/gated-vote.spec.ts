import { verifyStatement } from '@symbolon/crypto';
import { ManualClock } from '@symbolon/kernel';
import { type Taken, TestDevice, type TestProfile, TestServer } from '@symbolon/testing';

/** Commands that wait for real votes: the policies hold them, the authenticators decide. */
const clock = new ManualClock(Date.now());
let server: TestServer;
let ada: TestProfile;

beforeAll(async () => {
  server = await TestServer.start({ clock });
});
beforeEach(async () => {
  ada = await server.profile();
});

const devices: TestDevice[] = [];
afterEach(async () => {
  for (const device of devices.splice(0)) await device.leave();
});
afterAll(() => server.stop());

async function authenticator(): Promise<TestDevice> {
  const device = await TestDevice.of(server, ada, { storage: false });
  await server.done('/verified-authenticator/register', { deviceIdentifier: device.deviceIdentifier }, ada.token);
  await device.connect();
  devices.push(device);
  return device;
}

let names = 0;
/** An active policy on reservations, under a configuration of its own. */
async function held(fields: object = {}): Promise<string> {
  const name = `rules ${++names}`;
  const rules = { name, timeLimit: 60, strategy: 'unanimous', ...fields };
  await server.done('/verified-authenticator/voting-configuration/register', rules, ada.token);
  const policy = {
    policyTemplateId: 'data_change',
    applyingEventIds: ['data_token.space_reserved'],
    votingConfigurationId: name,
  };
  const { body } = await server.done('/policy/register', policy, ada.token);
  await server.done('/policy/activate', { policyId: body.id }, ada.token);
  return name;
}

async function reserve(): Promise<string> {
  const json = { context: 'invoices/2026' };
  const { status, body } = await server.post('/data-token/reserve-token-space', { json, token: ada.token });
  expect(status).toBe(202);
  return body.commandId;
}
const status = (commandId: string, wait?: number) =>
  server
    .get(`/request-status/${commandId}`, { token: ada.token, ...(wait === undefined ? {} : { wait }) })
    .then(({ body }) => body);
const ended = (commandId: string) => status(commandId, 25);
const pool = async (poolId: string) =>
  (await server.get(`/voting/check-pool-status/${poolId}`, { token: ada.token })).body;
async function untilPool(poolId: string, expected: object): Promise<any> {
  for (const giveUp = performance.now() + 20_000; ;) {
    const found = await pool(poolId);
    if (Object.entries(expected).every(([name, value]) => found[name] === value)) return found;
    if (performance.now() > giveUp) throw new Error(`waited in vain: ${JSON.stringify(found)}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
/** The n-th ballot of a device, counted from 1. */
const ballot = (device: TestDevice, count = 1): Promise<Taken> => device.got('ballot.issued', count);
async function typesOf(stream: string): Promise<string[]> {
  const sql = 'select type from es.event where stream = $1 order by revision';
  return (await server.database.pool.query(sql, [stream])).rows.map(({ type }) => type);
}

test('a command runs once its poll has succeeded, and the ballot says what it is', async () => {
  const device = await authenticator();
  await held();
  const commandId = await reserve();
  const issued = await ballot(device);
  const { poolId } = issued.content;
  expect(issued.content).toMatchObject({
    ...{ operation: 'data_token.space_reserved', title: 'Reserve token space', attempt: 1, maxAttempts: 1 },
    context: {
      requester: { profileId: ada.profileId, username: ada.username },
      dataContext: 'invoices/2026',
      nonce: null,
    },
  });
  const jwk = (await server.get('/.well-known/jwks.json')).body.keys[0];
  const publicKeyHex = Buffer.from(jwk.x, 'base64url').toString('hex');
  const claims = verifyStatement(issued.content.statement, { typ: 'symbolon-ballot+jwt', publicKeyHex });
  expect(claims).toMatchObject({ operation: 'data_token.space_reserved', requester: ada.profileId, poll: poolId });
  expect(await status(commandId)).toMatchObject({ status: 'pending_vote', poolId });
  expect(await pool(poolId)).toMatchObject({ status: 'open', commandId, operation: 'data_token.space_reserved' });
  device.vote(issued, 'yes');
  expect(await ended(commandId)).toMatchObject({ status: 'succeeded', poolId });
  expect(await pool(poolId)).toMatchObject({ status: 'succeeded', yes: 1 });
  expect(await typesOf(`command-${commandId}`)).toEqual([
    'command.accepted',
    'command.pending_vote',
    'command.cleared',
    'command.succeeded',
  ]);
});

test('a command is rejected with the reason of the last attempt', async () => {
  const device = await authenticator();
  await held({ numberOfAttempts: 2 });
  const commandId = await reserve();
  const first = await ballot(device);
  device.vote(first, 'no');
  const second = await ballot(device, 2);
  expect(second.content).toMatchObject({ attempt: 2, title: first.content.title, question: first.content.question });
  expect(second.content.context).toEqual(first.content.context);
  expect(await status(commandId)).toMatchObject({ status: 'pending_vote' });
  clock.advance(61);
  expect(await ended(commandId)).toMatchObject({ status: 'rejected', reason: 'poll.timed_out' });
  expect(await pool(first.content.poolId)).toMatchObject({ status: 'rejected', nextPoolId: second.content.poolId });
  expect(await pool(second.content.poolId)).toMatchObject({ status: 'timed_out', nextPoolId: null });
});

test('of two polls both must succeed, and the first failure cancels the other', async () => {
  const [first, second] = [await authenticator(), await authenticator()];
  await held({ deviceIdentifiers: [first.deviceIdentifier] });
  await held({ deviceIdentifiers: [second.deviceIdentifier], numberOfAttempts: 3 });
  const approved = await reserve();
  first.vote(await ballot(first), 'yes');
  await untilPool((await ballot(first)).content.poolId, { status: 'succeeded' });
  expect(await status(approved)).toMatchObject({
    status: 'pending_vote',
    poolId: (await ballot(second)).content.poolId,
  });
  second.vote(await ballot(second), 'yes');
  expect(await ended(approved)).toMatchObject({ status: 'succeeded' });

  const denied = await reserve();
  const other = await ballot(second, 2);
  first.vote(await ballot(first, 2), 'no');
  expect(await ended(denied)).toMatchObject({ status: 'rejected', reason: 'poll.rejected' });
  await untilPool(other.content.poolId, { status: 'cancelled', pending: 0, nextPoolId: null });
  expect((await second.got('ballot.voided')).content).toMatchObject({ reason: 'poll_cancelled' });
});

test('a cancelled poll rejects its command, and there is no further attempt', async () => {
  const device = await authenticator();
  await held({ numberOfAttempts: 3 });
  const commandId = await reserve();
  const { poolId } = (await ballot(device)).content;
  await server.done('/voting/cancel-pool', { poolId }, ada.token);
  expect(await ended(commandId)).toMatchObject({ status: 'rejected', reason: 'poll.cancelled', poolId });
  expect(await pool(poolId)).toMatchObject({ nextPoolId: null });
});

test('a command whose poll cannot be held is rejected', async () => {
  const [first, second] = [await authenticator(), await authenticator()];
  await held({ quorumSize: 2 });
  await server.done('/device/remove', { deviceIdentifier: first.deviceIdentifier }, ada.token);
  expect(await ended(await reserve())).toMatchObject({ status: 'rejected', reason: 'voting.quorum_unreachable' });
  await server.done('/device/remove', { deviceIdentifier: second.deviceIdentifier }, ada.token);
  expect(await ended(await reserve())).toMatchObject({ status: 'rejected', reason: 'voting.no_authenticators' });
  expect(second.count('ballot.issued')).toBe(0);
});

test('voting settings wait for a vote themselves', async () => {
  const device = await authenticator();
  const policy = {
    policyTemplateId: 'security_settings',
    applyingEventIds: ['voting.quorum_size_set', 'authenticator.removed'],
  };
  const { body } = await server.done('/policy/register', policy, ada.token);
  await server.done('/policy/activate', { policyId: body.id }, ada.token);
  const set = await server.post('/verified-authenticator/set-quorum-size', { json: { size: 1 }, token: ada.token });
  device.vote(await ballot(device), 'yes');
  expect(await ended(set.body.commandId)).toMatchObject({ status: 'succeeded', body: { quorumSize: 1 } });
  // What the vote allows, the policy may still forbid: it would be left without authenticators.
  const json = { deviceIdentifier: device.deviceIdentifier };
  const removal = await server.post('/verified-authenticator/remove', { json, token: ada.token });
  device.vote(await ballot(device, 2), 'yes');
  expect(await ended(removal.body.commandId)).toMatchObject({
    status: 'rejected',
    reason: 'authenticator.required_by_policy',
  });
});
