import { type PolicyEventId, policyEvents } from '@symbolon/contracts';
import { generateEd25519, generateKeyPair } from '@symbolon/crypto';
import { type Taken, TestDevice, type TestProfile, TestServer } from '@symbolon/testing';

jest.setTimeout(120_000);

/**
 * Somebody has got hold of an authorization token, but of none of the authenticators. Whatever he tries, the gate stays
 * shut: each of its hinges is held by a vote.
 */
let server: TestServer;
let ada: TestProfile;
let authenticator: TestDevice;
let configuration: string;
let guard: string;
let signIn: string;
let asleep: string;
const asked: string[] = [];

/** Every operation of the security template but the directory's, which has no endpoint of its own profile. */
const guarded = [
  ...['profile.change_password', 'profile.delete_account', 'public_key.replaced', 'device.configuration_rotated'],
  ...['authenticator.registered', 'authenticator.removed', 'voting.quorum_size_set', 'voting.quorum_strategy_set'],
  ...['voting.time_limit_set', 'voting.max_attempts_set', 'voting_configuration.registered'],
  ...['voting_configuration.updated', 'voting_configuration.deleted'],
  ...['policy.activated', 'policy.deactivated', 'policy.deleted'],
] as PolicyEventId[];

async function policy(policyTemplateId: string, applyingEventIds: readonly string[]): Promise<string> {
  const { body } = await server.done('/policy/register', { policyTemplateId, applyingEventIds }, ada.token);
  return body.id;
}

beforeAll(async () => {
  server = await TestServer.start();
  ada = await server.profile();
  authenticator = await TestDevice.of(server, ada, { storage: false });
  await authenticator.connect();
  authenticator.behaviour['ballot.issued'] = (taken) => {
    asked.push(taken.content.operation);
    authenticator.vote(taken, 'no');
  };
  const { deviceIdentifier } = authenticator;
  await server.done('/verified-authenticator/register', { deviceIdentifier }, ada.token);
  const fields = { name: 'everyone', strategy: 'unanimous', timeLimit: 60 };
  configuration = (await server.done('/verified-authenticator/voting-configuration/register', fields, ada.token)).body
    .name;
  asleep = await policy('data_access', ['data_token.data_requested']);
  signIn = await policy('authentication', ['profile.authenticate', 'profile.reauthorize', 'oauth.authorize']);
  guard = await policy('security_settings', guarded);
  // The guard comes last: it holds the activation of every other.
  for (const policyId of [signIn, guard]) await server.done('/policy/activate', { policyId }, ada.token);
});

afterAll(async () => {
  await authenticator.leave();
  await server.stop();
});

/** All that the thief would have to change. */
async function state(): Promise<unknown> {
  const look = async (path: string) => (await server.get(path, ada)).body;
  const lists = [
    '/verified-authenticator/list-verified-authenticators',
    '/verified-authenticator/voting-configuration/list',
    '/policy/list-registered-policies',
  ];
  const [authenticators, configurations, policies] = await Promise.all(lists.map(look));
  return {
    authenticators: authenticators.items.map((item: any) => item.deviceIdentifier),
    configurations: configurations.items,
    policies: policies.items,
    settings: await look('/verified-authenticator/retrieve-strategy'),
    key: await look('/public-key/retrieve-public-key'),
  };
}

const attempts: Array<[PolicyEventId, string, () => object | Promise<object>]> = [
  [
    'authenticator.removed',
    '/verified-authenticator/remove',
    () => ({ deviceIdentifier: authenticator.deviceIdentifier }),
  ],
  ['policy.deactivated', '/policy/deactivate', () => ({ policyId: guard })],
  ['policy.deactivated', '/policy/deactivate', () => ({ policyId: signIn })],
  ['policy.activated', '/policy/activate', () => ({ policyId: asleep })],
  ['policy.deleted', '/policy/delete', () => ({ policyId: asleep })],
  ['voting.quorum_size_set', '/verified-authenticator/set-quorum-size', () => ({ quorumSize: 1 })],
  ['voting.quorum_strategy_set', '/verified-authenticator/set-quorum-strategy', () => ({ strategy: 'affirmative' })],
  ['voting.time_limit_set', '/verified-authenticator/set-voting-time-limit', () => ({ timeLimit: 1 })],
  ['voting.max_attempts_set', '/verified-authenticator/set-maximum-voting-attempts', () => ({ numberOfAttempts: 1 })],
  [
    'voting_configuration.registered',
    '/verified-authenticator/voting-configuration/register',
    () => ({ name: 'mine', strategy: 'affirmative', timeLimit: 60, category: 'admin' }),
  ],
  [
    'voting_configuration.updated',
    '/verified-authenticator/voting-configuration/update',
    () => ({ name: configuration, strategy: 'affirmative' }),
  ],
  [
    'voting_configuration.deleted',
    '/verified-authenticator/voting-configuration/delete',
    () => ({ name: configuration }),
  ],
  ['public_key.replaced', '/public-key/register-public-key', () => ({ publicKey: generateKeyPair().publicKey })],
  [
    'public_key.replaced',
    '/public-key/register-public-key',
    () => ({
      publicKey: generateKeyPair().publicKey,
      signingKey: generateEd25519().publicKey,
      deviceIdentifier: authenticator.deviceIdentifier,
    }),
  ],
  [
    'authenticator.registered',
    '/verified-authenticator/register',
    async () => {
      const own = await TestDevice.of(server, ada, { storage: false });
      return { deviceIdentifier: own.deviceIdentifier };
    },
  ],
  ['profile.reauthorize', '/profile/reauthorize-authorization-token', () => ({ ttl: 2_592_000 })],
];

test.each(attempts)('%s by %s is put to the vote, and changes nothing', async (operation, path, fields) => {
  const json = await fields();
  const before = await state();
  const polls = asked.length;
  const { status, body } = await server.post(path, { json, token: ada.token, wait: 30 });
  expect([status, body.status, body.reason]).toEqual([200, 'rejected', 'poll.rejected']);
  expect(asked.slice(polls)).toEqual([operation]);
  expect(await state()).toEqual(before);
});

test('new channel credentials of the authenticator are put to the vote', async () => {
  const path = `/device/retrieve-device-configuration/${authenticator.deviceIdentifier}?rotate=true`;
  const { status, body } = await server.get(path, { token: ada.token, wait: 30 });
  expect([status, body.status, body.reason]).toEqual([200, 'rejected', 'poll.rejected']);
  expect(asked.at(-1)).toBe('device.configuration_rotated');
  const plain = await server.get(`/device/retrieve-device-configuration/${authenticator.deviceIdentifier}`, ada);
  expect(plain.body['client-secret']).toBeUndefined();
  expect(authenticator.closeCode).toBeNull();
});

test('a QR token of his signs nobody in, and neither does a login that was voted down', async () => {
  const { qrToken } = (await server.post('/profile/generate-token-qr', { token: ada.token })).body;
  const other = await server.post('/profile/reauthorize-authorization-token', {
    json: { ttl: 600, qrToken },
    wait: 30,
  });
  expect(other.body.authorizationToken).toBeUndefined();
  expect(other.body.reason ?? other.body.code).toBe('poll.rejected');

  // Even with the password: without a vote there is no token.
  const { username, password } = ada;
  const login = await server.post('/profile/authenticate', { json: { username, password } });
  expect(login.status).toBe(202);
  const { commandId } = login.body;
  const ended = await server.get(`/request-status/${commandId}`, { headers: { prefer: 'wait=30' } });
  expect(ended.body).toMatchObject({ status: 'rejected', reason: 'poll.rejected' });
  const finish = await server.post('/profile/authenticate', { json: { username, password, commandId } });
  expect([finish.status, finish.body.code]).toEqual([403, 'poll.rejected']);
});

test('a vote that he cancels opens nothing', async () => {
  const { deviceIdentifier } = authenticator;
  const { behaviour } = authenticator;
  const no = behaviour['ballot.issued']!;
  behaviour['ballot.issued'] = () => undefined;
  const path = '/verified-authenticator/remove';
  const isOfThis = ({ envelope, content }: Taken) =>
    envelope.type === 'ballot.issued' && content.operation === 'authenticator.removed';
  const before = authenticator.taken.filter(isOfThis).length;
  const { commandId } = (await server.post(path, { json: { deviceIdentifier }, token: ada.token })).body;
  await authenticator.until(() => authenticator.taken.filter(isOfThis).length > before);
  const { content } = authenticator.taken.filter(isOfThis).at(-1)!;
  await server.done('/voting/cancel-pool', { poolId: content.poolId }, ada.token);
  const ended = await server.get(`/request-status/${commandId}`, { token: ada.token, headers: { prefer: 'wait=30' } });
  expect(ended.body).toMatchObject({ status: 'rejected', reason: 'poll.cancelled' });
  behaviour['ballot.issued'] = no;
});

test('the authenticator itself may go, as after a theft, and then nothing gated runs at all', async () => {
  const { deviceIdentifier } = authenticator;
  await server.done('/device/remove', { deviceIdentifier }, ada.token);
  for (const [path, json] of [
    ['/policy/deactivate', { policyId: guard }],
    ['/verified-authenticator/set-quorum-size', { quorumSize: 1 }],
    ['/public-key/register-public-key', { publicKey: generateKeyPair().publicKey }],
  ] as const) {
    const { body } = await server.post(path, { json, token: ada.token, wait: 30 });
    expect([path, body.status, body.reason]).toEqual([path, 'rejected', 'voting.no_authenticators']);
  }
});

test('every operation of the security template was tried', () => {
  const tried = new Set<string>(attempts.map(([operation]) => operation));
  // With the password in hand as well, the two of these are the owner's own business: the vote holds them all the same.
  const needPassword = ['profile.change_password', 'profile.delete_account'];
  const elsewhere = ['device.configuration_rotated'];
  expect(guarded.filter((id) => !tried.has(id) && !needPassword.includes(id) && !elsewhere.includes(id))).toEqual([]);
  expect(guarded.every((id) => id in policyEvents)).toBe(true);
});
