import { type PolicyEventId, policyTemplates } from '@symbolon/contracts';
import { generateKeyPair } from '@symbolon/crypto';
import { ManualClock } from '@symbolon/kernel';
import { consentPath, TestApplication, TestDevice, type TestProfile, TestServer, TestSocket } from '@symbolon/testing';

jest.setTimeout(60_000);

/** Every gate by its own door, and what people see of a vote. */
const clock = new ManualClock(Date.now());
let server: TestServer;
const devices: TestDevice[] = [];

beforeAll(async () => {
  server = await TestServer.start({ clock });
});
afterAll(async () => {
  for (const device of devices) await device.leave();
  await server.stop();
});

async function deviceOf(profile: TestProfile, how: { storage?: boolean; signing?: boolean } = {}): Promise<TestDevice> {
  const device = await TestDevice.of(server, profile, how);
  await device.connect();
  devices.push(device);
  return device;
}

async function authenticatorOf(
  profile: TestProfile,
  how: { storage?: boolean; signing?: boolean } = { storage: false },
): Promise<TestDevice> {
  const device = await deviceOf(profile, how);
  await server.done('/verified-authenticator/register', { deviceIdentifier: device.deviceIdentifier }, profile.token);
  return device;
}

async function policy(
  { token }: TestProfile,
  policyTemplateId: string,
  applyingEventIds: readonly string[],
  fields: object = {},
): Promise<string> {
  const { body } = await server.done('/policy/register', { policyTemplateId, applyingEventIds, ...fields }, token);
  await server.done('/policy/activate', { policyId: body.id }, token);
  return body.id;
}

const pool = async (poolId: string, token: string) =>
  (await server.get(`/voting/check-pool-status/${poolId}`, { token })).body;

interface Reserved {
  readonly token: string;
  readonly stream: string;
}

async function reserve(token: string, fields: object = {}): Promise<Reserved> {
  const { commandId } = await server.done(
    '/data-token/reserve-token-space',
    { context: 'invoices/2026', ...fields },
    token,
  );
  return (await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, { token })).body;
}

const data = Buffer.from('the data').toString('base64');
const exchange = '/data-token/exchange-data-for-token';

describe('data and devices under a policy', () => {
  let ada: TestProfile;
  let voter: TestDevice;
  let permanent: Reserved;
  let temporary: Reserved;
  let pending: string;
  let plain: TestDevice;
  let application: TestApplication;
  const asked: any[] = [];
  let answer: 'yes' | 'no' = 'no';

  beforeAll(async () => {
    ada = await server.profile();
    voter = await authenticatorOf(ada, { storage: true });
    voter.behaviour['ballot.issued'] = (taken) => {
      asked.push(taken.content);
      voter.vote(taken, answer);
    };
    plain = await deviceOf(ada, { storage: false });
    permanent = await reserve(ada.token, {
      meta: { information_security_risk: { classification: 'internal', label: 'red', handling: 'by hand' } },
    });
    await server.done(exchange, { temporaryTokenSpace: permanent.token, data }, ada.token);
    temporary = await reserve(ada.token);
    const fields = { deviceName: 'newcomer', publicKey: generateKeyPair().publicKey };
    pending = (await server.done('/device/request-unique-identifier', fields, ada.token)).body.deviceIdentifier;
    application = await TestApplication.of(server, ada);
    for (const id of ['data_access', 'data_change', 'device_management', 'authentication']) {
      const { events } = policyTemplates.find((template) => template.id === id)!;
      await policy(
        ada,
        id,
        events.filter((event) => !event.startsWith('profile.')),
      );
    }
  });

  async function state(): Promise<unknown> {
    const look = async (path: string) => (await server.get(path, ada)).body;
    const { items } = await look('/data-token/list-data-tokens?perPage=100');
    const shownDevices = await look('/device/retrieve-profile-devices');
    const storages = await look('/storage/list-storage-devices');
    return {
      tokens: items,
      devices: shownDevices.items.map(({ lastSeenAt: _, ...item }: any) => item),
      storages: storages.items.map(({ lastSeenAt: _, ...item }: any) => item),
      stored: [...voter.objects.entries()].map(([id, versions]) => [id, versions.map(({ version }) => version)]),
    };
  }

  const post = (path: string, json: () => object) => () =>
    server.post(path, { json: json(), token: ada.token, wait: 30 });
  const rows: Array<[PolicyEventId, string, () => ReturnType<TestServer['post']>]> = [
    ['data_token.space_reserved', '23', post('/data-token/reserve-token-space', () => ({ context: 'x' }))],
    ['data_token.data_exchanged', '25', post(exchange, () => ({ temporaryTokenSpace: temporary.token, data }))],
    ['data_token.data_requested', '27', post('/data-token/request-data', () => ({ token: permanent.token }))],
    [
      'data_token.security_meta_configured',
      '29',
      post('/data-token/configure-information-security-risk-meta', () => ({
        ...{ token: permanent.token, classification: 'public', label: 'green', handling: 'none' },
      })),
    ],
    ['data_token.data_replaced', '32', post('/data-token/update-data', () => ({ token: permanent.token, data }))],
    [
      'data_token.data_replaced',
      '32 by its alias, meta alone',
      post('/data-token/update-data-token', () => ({ dataToken: permanent.token, fileName: 'a.txt' })),
    ],
    ['data_token.deleted', '33', post('/data-token/delete-data', () => ({ token: permanent.token }))],
    ['data_token.deleted', '33, temporary', post('/data-token/delete-data', () => ({ token: temporary.token }))],
    ['device.approved', '39', post('/device/approve-device', () => ({ deviceIdentifier: pending }))],
    ['device.removed', '42', post('/device/remove', () => ({ deviceIdentifier: voter.deviceIdentifier }))],
    ['device.removed', '42, pending', post('/device/remove', () => ({ deviceIdentifier: pending }))],
    ['storage.registered', '43', post('/storage/register', () => ({ deviceIdentifier: plain.deviceIdentifier }))],
    ['storage.removed', '46', post('/storage/remove', () => ({ deviceIdentifier: voter.deviceIdentifier }))],
    [
      'oauth.authorize',
      '13',
      () => server.get(consentPath(application.clientId, ['all'], 'refused'), { token: ada.token, wait: 30 }),
    ],
    // Last: the auth is spent by the upload, whatever becomes of it.
    [
      'data_token.data_exchanged',
      '26',
      () =>
        server.post(new URL(temporary.stream).pathname + new URL(temporary.stream).search, { body: 'bytes', wait: 30 }),
    ],
  ];

  test.each(rows)(
    '%s by row %s is put to the vote, and does nothing where it is voted down',
    async (operation, _, call) => {
      answer = 'no';
      const before = await state();
      const polls = asked.length;
      const { status, body } = await call();
      expect([status, body.status, body.reason]).toEqual([200, 'rejected', 'poll.rejected']);
      expect(asked.slice(polls).map((ballot) => ballot.operation)).toEqual([operation]);
      expect(await state()).toEqual(before);
      expect(body).toEqual({
        ...{ commandId: expect.any(String), type: expect.any(String), status: 'rejected', command_status: 3 },
        ...{ reason: 'poll.rejected', body: null, poolId: asked.at(-1).poolId },
        ...{ createdAt: expect.any(String), updatedAt: expect.any(String) },
      });
    },
  );

  test('batches go around none of it', async () => {
    const polls = asked.length;
    const before = await state();
    const stored = await server.post('/data-token/batch', {
      json: { items: [{ context: 'x', data }] },
      token: ada.token,
      wait: 30,
    });
    const asking = await server.post('/data-token/batch-request', {
      json: { tokens: [permanent.token] },
      token: ada.token,
      wait: 30,
    });
    expect([stored.status, stored.body.code]).toEqual([409, 'policy.asks_each']);
    expect([asking.status, asking.body.code]).toEqual([409, 'policy.asks_each']);
    expect(await state()).toEqual(before);
    expect(asked.length).toBe(polls);
  });

  test('the same rows do what they say once they are voted for', async () => {
    answer = 'yes';
    const upload = await server.done('/data-token/reserve-token-space', { context: 'y' }, ada.token);
    const { body: reserved } = await server.get(`/data-token/retrieve-temporary-data-token/${upload.commandId}`, ada);
    const { body: uploaded } = await server.post(new URL(reserved.stream).pathname + new URL(reserved.stream).search, {
      body: 'bytes',
      wait: 30,
    });
    expect(uploaded).toMatchObject({ type: 'upstream', status: 'succeeded', body: { token: reserved.token, size: 5 } });
    const { body: read } = await server.post('/data-token/request-data', {
      json: { token: reserved.token },
      token: ada.token,
      wait: 30,
    });
    expect((await server.get(read.body.downloadUrl)).text).toBe('bytes');
    await server.done('/device/approve-device', { deviceIdentifier: pending }, ada.token);
    const consent = () =>
      server.get(consentPath(application.clientId, ['all'], 'agreed'), { token: ada.token, wait: 30 });
    const first = await consent();
    expect(first.body).toMatchObject({ status: 'succeeded', body: { clientId: application.clientId } });
    expect((await consent()).body.commandId).toBe(first.body.commandId);
    const granted = await application.obtain(await application.code({ id: first.body.commandId, nonce: 'agreed' }));
    expect(granted.token).toEqual(expect.any(String));
  });
});

describe('who judges', () => {
  test('what an application does is judged by the policies of who granted it, also an upload by its auth alone', async () => {
    const [owner, granting] = [await server.profile(), await server.profile()];
    const voter = await authenticatorOf(granting, { storage: true });
    const application = await TestApplication.of(server, owner);
    const { token } = await application.grantedBy(granting);
    const any = { configuration: { applicationId: 'any' } };
    const events = ['data_token.data_exchanged', 'data_token.space_reserved'];
    const own = await reserve(granting.token);
    const foreign = await reserve(token);
    await policy(granting, 'data_change', events, any);
    // A policy of the application's own profile does not count.
    await authenticatorOf(owner);
    await policy(owner, 'data_access', ['data_token.data_requested']);

    await server.done(exchange, { temporaryTokenSpace: own.token, data }, granting.token);
    const { pathname, search } = new URL(foreign.stream);
    const held = await server.post(pathname + search, { body: 'bytes' });
    expect(held.status).toBe(202);
    const ballot = await voter.got('ballot.issued');
    expect(ballot.content).toMatchObject({
      operation: 'data_token.data_exchanged',
      context: {
        requester: { profileId: granting.profileId, username: granting.username },
        application: { applicationId: application.applicationId, name: expect.any(String) },
      },
    });
    voter.vote(ballot, 'yes');
    const ended = await server.get(`/request-status/${held.body.commandId}`, { token, wait: 20 });
    expect(ended.body).toMatchObject({ status: 'succeeded' });
    const read = await server.post('/data-token/request-data', { json: { token: foreign.token }, token, wait: 20 });
    expect(read.body.status).toBe('succeeded');
    expect((await server.get(`/voting/check-pool-status/${ballot.content.poolId}`, { token })).status).toBe(200);
  });

  test('a key that a device registers in place of its own is put to its owner', async () => {
    const ada = await server.profile();
    const voter = await authenticatorOf(ada);
    const registered = await server.done('/device/request-unique-identifier', { deviceName: 'box' }, ada.token);
    const { body } = await server.post('/device/retrieve-unique-identifier', {
      json: { id: registered.commandId },
      token: ada.token,
    });
    const token = await server.login(body.username, body.password);
    await policy(ada, 'security_settings', ['public_key.replaced']);
    const [first, second] = [generateKeyPair().publicKey, generateKeyPair().publicKey];
    await server.done('/public-key/register-public-key', { publicKey: first }, token);
    const held = await server.post('/public-key/register-public-key', { json: { publicKey: second }, token });
    const ballot = await voter.got('ballot.issued');
    expect(ballot.content).toMatchObject({
      operation: 'public_key.replaced',
      question: 'Allow the device "box" to replace the public key of the device "box"?',
      context: {
        requester: { profileId: body.deviceIdentifier, username: body.username },
        device: { deviceIdentifier: body.deviceIdentifier, name: 'box' },
      },
    });
    expect((await server.get('/public-key/retrieve-public-key', { token })).body.publicKey).toBe(first);
    voter.vote(ballot, 'yes');
    const ended = await server.get(`/request-status/${held.body.commandId}`, { token, wait: 20 });
    expect(ended.body).toMatchObject({ status: 'succeeded', body: { profileId: body.deviceIdentifier } });
    expect((await server.get('/public-key/retrieve-public-key', { token })).body.publicKey).toBe(second);
  });

  test('new credentials, by the other name of row 41, wait for the vote', async () => {
    const ada = await server.profile();
    const voter = await authenticatorOf(ada);
    await policy(ada, 'security_settings', ['device.configuration_rotated']);
    const { deviceIdentifier } = voter;
    const json = { deviceIdentifier, rotate: true };
    const held = await server.post('/device/download-device-configuration', { json, token: ada.token });
    expect([held.status, Object.keys(held.body).sort()]).toEqual([202, ['commandId', 'status']]);
    const ballot = await voter.got('ballot.issued');
    expect(ballot.content.context.device).toEqual({ deviceIdentifier, name: 'attic server' });
    voter.vote(ballot, 'no');
    const ended = await server.get(`/request-status/${held.body.commandId}`, { token: ada.token, wait: 20 });
    expect(ended.body).toMatchObject({ status: 'rejected', reason: 'poll.rejected' });
    expect(voter.closeCode).toBeNull();
  });
});

describe('what a ballot shows', () => {
  test('is what the templates of its own policies say, not those of others that ask too', async () => {
    const ada = await server.profile();
    const [first, second] = [await authenticatorOf(ada, { storage: true }), await authenticatorOf(ada)];
    for (const [name, { deviceIdentifier }] of Object.entries({ first, second }))
      await server.done(
        '/verified-authenticator/voting-configuration/register',
        { name, timeLimit: 60, strategy: 'single', deviceIdentifiers: [deviceIdentifier] },
        ada.token,
      );
    const { token } = await reserve(ada.token, {
      meta: { information_security_risk: { classification: 'internal', label: 'red', handling: 'by hand' } },
    });
    await server.done(exchange, { temporaryTokenSpace: token, data }, ada.token);
    const events = ['data_token.data_requested'];
    await policy(ada, 'data_access', events, { votingConfigurationId: 'first' });
    await policy(ada, 'classification', events, { votingConfigurationId: 'second' });
    await server.post('/data-token/request-data', { json: { token }, token: ada.token });
    const plain = (await first.got('ballot.issued')).content;
    const classified = (await second.got('ballot.issued')).content;
    expect(plain.poolId).not.toBe(classified.poolId);
    const { requester, dataContext, classification, label, handling } = plain.context;
    expect([requester.username, dataContext]).toEqual([ada.username, 'invoices/2026']);
    expect([classification, label, handling]).toEqual([null, null, null]);
    expect(classified.context).toEqual({
      ...plain.context,
      classification: 'internal',
      label: 'red',
      handling: 'by hand',
    });
  });

  test('names the new strategy, and an application once', async () => {
    const ada = await server.profile();
    const voter = await authenticatorOf(ada);
    await policy(ada, 'security_settings', ['voting.quorum_strategy_set']);
    await policy(ada, 'authentication', ['oauth.authorize']);
    const path = '/verified-authenticator/set-quorum-strategy';
    const json = { strategy: 'threshold', strategy_params: '1/2' };
    await server.post(path, { json, token: ada.token });
    const { content: change } = await voter.got('ballot.issued');
    expect(change.question).toBe(`Allow ${ada.username} to set the voting strategy to threshold 1/2?`);
    const { clientId, applicationId } = await TestApplication.of(server, ada);
    await server.get(consentPath(clientId, ['all'], 'once'), { token: ada.token });
    const { content: consent } = await voter.got('ballot.issued', 2);
    const { name } = consent.context.application;
    expect(consent.context.application.applicationId).toBe(applicationId);
    expect(consent.question).toBe(`Allow ${ada.username} to authorize the application "${name}"?`);
  });
});

describe('a poll that could not be opened', () => {
  test('is none that a status names', async () => {
    const ada = await server.profile();
    const voter = await authenticatorOf(ada);
    await policy(ada, 'data_change', ['data_token.space_reserved']);
    await server.done('/device/remove', { deviceIdentifier: voter.deviceIdentifier }, ada.token);
    const { body } = await server.post('/data-token/reserve-token-space', {
      json: { context: 'x' },
      token: ada.token,
      wait: 20,
    });
    expect(body).toMatchObject({ status: 'rejected', reason: 'voting.no_authenticators' });
    expect('poolId' in body).toBe(false);
  });

  test('cancels the others, of which the status names one that was there', async () => {
    const ada = await server.profile();
    const [voter, other] = [await authenticatorOf(ada), await authenticatorOf(ada)];
    const register = '/verified-authenticator/voting-configuration/register';
    for (const [name, device] of [
      ['first', voter],
      ['second', other],
    ] as const) {
      const rules = { name, timeLimit: 60, strategy: 'unanimous', deviceIdentifiers: [device.deviceIdentifier] };
      await server.done(register, rules, ada.token);
      await policy(ada, 'data_change', ['data_token.space_reserved'], { votingConfigurationId: name });
    }
    await server.done('/device/remove', { deviceIdentifier: other.deviceIdentifier }, ada.token);
    const { body } = await server.post('/data-token/reserve-token-space', {
      json: { context: 'x' },
      token: ada.token,
      wait: 20,
    });
    expect(body).toMatchObject({ status: 'rejected', reason: 'voting.no_authenticators' });
    // The other may have been opened before it was cancelled, or not at all.
    if ('poolId' in body) expect((await pool(body.poolId, ada.token)).status).toBe('cancelled');
  });
});

describe('authenticators that go', () => {
  test.each(['/verified-authenticator/remove', '/device/remove'])(
    '%s: once it is final, everything shows it',
    async (path) => {
      const ada = await server.profile();
      const [staying, leaving] = [await authenticatorOf(ada), await authenticatorOf(ada)];
      const rules = { name: 'rules', timeLimit: 3600, strategy: 'unanimous' };
      await server.done('/verified-authenticator/voting-configuration/register', rules, ada.token);
      const asked = { votingConfigurationId: 'rules', title: 't', question: 'q' };
      const { body } = await server.done('/voting/create', asked, ada.token);
      await server.done(path, { deviceIdentifier: leaving.deviceIdentifier }, ada.token);
      const [shown, list] = await Promise.all([
        pool(body.poolId, ada.token),
        server.get('/verified-authenticator/list-verified-authenticators', ada),
      ]);
      expect(shown).toMatchObject({ status: 'open', ballotsIssued: 2, pending: 1, yes: 0, no: 0 });
      expect(list.body.items.map((item: any) => item.deviceIdentifier)).toEqual([staying.deviceIdentifier]);
      staying.vote(await staying.got('ballot.issued'), 'yes');
      for (;;) {
        const now = await pool(body.poolId, ada.token);
        if (now.status === 'succeeded') break;
        expect(now.status).toBe('open');
      }
    },
  );
});

describe('what is told of a poll that fails', () => {
  test('is a security alert on the channel, with the poll and the command', async () => {
    const ada = await server.profile();
    const voter = await authenticatorOf(ada);
    await policy(ada, 'data_change', ['data_token.space_reserved']);
    const socket = await TestSocket.join(server.url, ada.token);
    const { body } = await server.post('/data-token/reserve-token-space', { json: { context: 'x' }, token: ada.token });
    const ballot = await voter.got('ballot.issued');
    voter.vote(ballot, 'no', { comment: 'ü'.repeat(500) });
    const told = await socket.until(({ data }) => data?.type === 'SECURITY-ALERT');
    expect(told).toEqual({
      data: {
        type: 'SECURITY-ALERT',
        id: expect.stringMatching(/^[\da-f-]{36}$/),
        body: { kind: 'poll_rejected', poolId: ballot.content.poolId, commandId: body.commandId },
      },
    });
    const ended = await server.get(`/request-status/${body.commandId}`, { token: ada.token, wait: 20 });
    expect(ended.body.reason).toBe('poll.rejected');
    await socket.close();
  });
});

describe('a name with a NUL', () => {
  test('is none, and nobody is found under it', async () => {
    const { token } = await server.profile();
    const name = 'a\0b';
    const calls: Array<[string, object]> = [
      ['/verified-authenticator/voting-configuration/register', { name, timeLimit: 60, strategy: 'single' }],
      ['/policy/register', { name, policyTemplateId: 'authentication', applyingEventIds: ['oauth.authorize'] }],
    ];
    for (const [path, json] of calls) {
      const { status, body } = await server.post(path, { json, token });
      expect([path, status, Object.keys(body.errors)]).toEqual([path, 422, ['name']]);
    }
    for (const path of ['/verified-authenticator/voting-configuration/retrieve', '/policy/retrieve-policy'])
      expect((await server.get(`${path}/a%00b`, { token })).status).toBe(404);
  });
});

describe('the configuration of a policy', () => {
  const register = (token: string, form: Record<string, string>) =>
    server.post('/policy/register', {
      form: { policyTemplateId: 'authentication', 'applyingEventIds[]': 'oauth.authorize', ...form },
      token,
      wait: 20,
    });

  test('is read in every form of section 2, and shown in one', async () => {
    const ada = await server.profile();
    const [one, two] = ['01937b48-0000-7000-8000-000000000001', '01937b48-0000-7000-8000-000000000002'];
    const forms: Array<[Record<string, string>, object]> = [
      [{ 'configuration[applicationId]': one }, { applicationId: one }],
      [{ 'configuration[applicationId]': `${one},${two}` }, { applicationId: [one, two] }],
      [{ 'configuration[applicationId]': JSON.stringify([one, two]) }, { applicationId: [one, two] }],
      [{ 'configuration[applicationId][]': two }, { applicationId: [two] }],
      [{ 'configuration[exceptAddresses]': '10.0.0.0/8,::1' }, { exceptAddresses: ['10.0.0.0/8', '::1'] }],
      [{ 'configuration[onlyNewAddress]': '1' }, { onlyNewAddress: true }],
      [{ configuration: '{"onlyNewAddress":false}' }, { onlyNewAddress: false }],
    ];
    for (const [form, configuration] of forms) {
      const { status, body } = await register(ada.token, form);
      expect([form, status]).toEqual([form, 200]);
      const { body: shown } = await server.get(`/policy/retrieve-policy/${body.body.id}`, ada);
      expect(shown.configuration).toEqual(configuration);
    }
    for (const form of [
      { 'configuration[applicationId]': 'some' },
      { 'configuration[exceptAddresses]': '10.0.0.0/33' },
      { 'configuration[exceptAddresses]': '10.0.0.256' },
      { 'configuration[onlyNewAddress]': 'maybe' },
      { 'configuration[context]': 'x' },
      { 'configuration[minimumSize]': '1' },
    ]) {
      const { status, body } = await register(ada.token, form);
      expect([form, status, body.code]).toEqual([form, 422, 'policy.configuration_key_unknown']);
    }
  });
});

describe('rules of a poll', () => {
  test('stay what they were, also for its next attempt, while everything that gave them changes', async () => {
    const ada = await server.profile();
    const voter = await authenticatorOf(ada);
    const group = '/verified-authenticator';
    await server.done(`${group}/set-maximum-voting-attempts`, { numberOfAttempts: 2 }, ada.token);
    await policy(ada, 'data_change', ['data_token.space_reserved']);
    const { body } = await server.post('/data-token/reserve-token-space', { json: { context: 'x' }, token: ada.token });
    const ballot = await voter.got('ballot.issued');
    const before = await pool(ballot.content.poolId, ada.token);
    expect(before).toMatchObject({ strategy: 'affirmative', quorumSize: 1, attempt: 1, maxAttempts: 2 });
    await server.done(`${group}/set-maximum-voting-attempts`, { numberOfAttempts: 1 }, ada.token);
    await server.done(`${group}/set-voting-time-limit`, { timeLimit: 7 }, ada.token);
    await server.done(`${group}/set-quorum-strategy`, { strategy: 'threshold', strategy_params: '1/2' }, ada.token);
    const policies = (await server.get('/policy/list-active-policies', ada)).body.items;
    await server.done('/policy/deactivate', { policyId: policies[0].id }, ada.token);
    expect(await pool(ballot.content.poolId, ada.token)).toEqual(before);
    voter.vote(ballot, 'no');
    const next = await voter.got('ballot.issued', 2);
    expect(next.content).toMatchObject({ attempt: 2, maxAttempts: 2 });
    const second = await pool(next.content.poolId, ada.token);
    expect(second).toMatchObject({ strategy: 'affirmative', strategy_params: '', maxAttempts: 2, status: 'open' });
    expect(Date.parse(second.expiresAt) - clock.millis()).toBeGreaterThan(298_000);
    expect(second.previousPoolId).toBe(ballot.content.poolId);
    expect((await pool(ballot.content.poolId, ada.token)).nextPoolId).toBe(next.content.poolId);
    expect((await server.get(`/request-status/${body.commandId}`, ada)).body.poolId).toBe(next.content.poolId);
    voter.vote(next, 'yes');
    const ended = await server.get(`/request-status/${body.commandId}`, { token: ada.token, wait: 20 });
    expect(ended.body).toMatchObject({ status: 'succeeded', poolId: next.content.poolId });
  });
});

test('whenever a status says that a vote is pending, its poll is there', async () => {
  const ada = await server.profile();
  await authenticatorOf(ada);
  await policy(ada, 'data_change', ['data_token.space_reserved']);
  for (let n = 0; n < 10; n++) {
    const json = { context: 'x' };
    const { commandId } = (await server.post('/data-token/reserve-token-space', { json, token: ada.token })).body;
    let shown: any = {};
    while (shown.status !== 'pending_vote') {
      shown = (await server.get(`/request-status/${commandId}`, ada)).body;
      expect(shown).toMatchObject({ command_status: 1, reason: null, body: null });
    }
    expect(await pool(shown.poolId, ada.token)).toMatchObject({ status: 'open', commandId });
  }
});

test('whoever follows progress is told of the vote when its poll is there', async () => {
  const ada = await server.profile();
  const voter = await authenticatorOf(ada);
  await policy(ada, 'data_change', ['data_token.space_reserved']);
  const socket = await TestSocket.join(server.url, ada.token, { progress: true });
  const json = { context: 'x' };
  const { commandId } = (await server.post('/data-token/reserve-token-space', { json, token: ada.token })).body;
  await socket.until(({ data }) => data?.id === commandId && data.body === 'pending_vote');
  const { body } = await server.get(`/request-status/${commandId}`, ada);
  expect(body).toMatchObject({ status: 'pending_vote', poolId: expect.any(String) });
  expect((await pool(body.poolId, ada.token)).status).toBe('open');
  voter.vote(await voter.got('ballot.issued'), 'yes');
  await socket.end(commandId);
  await socket.close();
});

describe('what a policy looks at, as the rows themselves tell it', () => {
  let ada: TestProfile;
  let device: TestDevice;

  beforeEach(async () => {
    ada = await server.profile();
    device = await authenticatorOf(ada, { storage: true });
    device.behaviour['ballot.issued'] = (taken) => void device.vote(taken, 'no');
  });

  /** Whether the call was put to the vote, which always says no. */
  async function isAsked(path: string, fields: object, token = ada.token): Promise<boolean> {
    const { status, body } = await server.post(path, { json: fields, token, wait: 30 });
    expect(status).toBe(200);
    return body.reason === 'poll.rejected';
  }
  async function isUploadAsked({ stream }: Reserved, size: number): Promise<boolean> {
    const { pathname, search } = new URL(stream);
    const { body } = await server.post(pathname + search, { body: Buffer.alloc(size, 7), wait: 30 });
    return body.reason === 'poll.rejected';
  }
  const bytes = (size: number) => Buffer.alloc(size, 7).toString('base64');

  test('minimumSize: of what is handed in by 25, 26 and 32, and of what is there', async () => {
    const events = policyTemplates.find(({ id }) => id === 'data_change')!.events;
    await policy(ada, 'data_change', events, { configuration: { minimumSize: 10 } });
    await policy(ada, 'data_access', ['data_token.data_requested'], { configuration: { minimumSize: 10 } });
    const small = await reserve(ada.token);
    expect(await isUploadAsked(small, 9)).toBe(false);
    expect(await isUploadAsked(await reserve(ada.token), 10)).toBe(true);
    const other = await reserve(ada.token);
    expect(await isAsked(exchange, { temporaryTokenSpace: other.token, data: bytes(10) })).toBe(true);
    expect(await isAsked(exchange, { temporaryTokenSpace: other.token, data: bytes(9) })).toBe(false);
    const update = '/data-token/update-data';
    expect(await isAsked(update, { token: other.token, data: bytes(10) })).toBe(true);
    expect(await isAsked(update, { token: other.token, fileName: 'a' })).toBe(false);
    expect(await isAsked('/data-token/request-data', { token: other.token })).toBe(false);
    expect(await isAsked('/data-token/delete-data', { token: small.token })).toBe(false);
  });

  test('context: the one that the token has by now', async () => {
    await policy(ada, 'data_access', ['data_token.data_requested'], { configuration: { context: 'secret/*' } });
    const { token } = await reserve(ada.token, { context: 'open' });
    await server.done(exchange, { temporaryTokenSpace: token, data }, ada.token);
    const ask = () => isAsked('/data-token/request-data', { token });
    expect(await ask()).toBe(false);
    const fields = { token, fileName: 'a', extension: '', context: 'secret/1' };
    await server.post('/data-token/configure-file-meta', { json: fields, token: ada.token });
    expect(await ask()).toBe(true);
    await server.done('/data-token/update-data', { token, context: 'secret' }, ada.token);
    expect(await ask()).toBe(false);
    await server.done('/data-token/update-data', { token, context: 'secret/' }, ada.token);
    expect(await ask()).toBe(true);
  });

  test('classification: of the reservation, of the token, and of what 32 makes it', async () => {
    const risk = (classification: string) => ({
      information_security_risk: { classification, label: 'red', handling: 'by hand' },
    });
    const events = ['data_token.data_exchanged', 'data_token.data_replaced', 'data_token.deleted'];
    await policy(ada, 'classification', events, { configuration: { classification: ['secret'], handling: 'by hand' } });
    const secret = await reserve(ada.token, { meta: risk('secret') });
    expect(await isAsked(exchange, { temporaryTokenSpace: secret.token, data })).toBe(true);
    expect(await isUploadAsked(secret, 5)).toBe(true);
    const { token } = await reserve(ada.token, { meta: risk('internal') });
    expect(await isAsked(exchange, { temporaryTokenSpace: token, data })).toBe(false);
    const update = '/data-token/update-data';
    expect(await isAsked(update, { token, meta: risk('secret') })).toBe(true);
    expect(await isAsked(update, { token, data })).toBe(false);
    const rename = '/data-token/configure-information-security-risk-meta';
    expect(await isAsked(rename, { token, ...risk('secret').information_security_risk })).toBe(false);
    expect(await isAsked(update, { token, meta: risk('internal') })).toBe(true);
    expect(await isAsked('/data-token/delete-data', { token })).toBe(true);
  });

  test('deviceIdentifiers: the device that 39, 42, 43 and 46 are about', async () => {
    const make = async (name: string) => {
      const fields = { deviceName: name, publicKey: generateKeyPair().publicKey };
      return (await server.done('/device/request-unique-identifier', fields, ada.token)).body
        .deviceIdentifier as string;
    };
    const [watched, free] = [await make('watched'), await make('free')];
    const { events } = policyTemplates.find(({ id }) => id === 'device_management')!;
    await policy(ada, 'device_management', events, { configuration: { deviceIdentifiers: [watched] } });
    const paths = ['/device/approve-device', '/storage/register', '/storage/remove', '/device/remove'];
    for (const path of paths) {
      expect([path, await isAsked(path, { deviceIdentifier: watched })]).toEqual([path, true]);
      expect([path, await isAsked(path, { deviceIdentifier: free })]).toEqual([path, false]);
    }
  });

  test('applicationId: settings that an application changes, and not its owner', async () => {
    const application = await TestApplication.of(server, ada);
    const { token } = await application.grantedBy(ada);
    const configuration = { applicationId: ['any'] };
    await policy(ada, 'security_settings', ['voting.time_limit_set', 'policy.deactivated'], { configuration });
    const path = '/verified-authenticator/set-voting-time-limit';
    expect(await isAsked(path, { timeLimit: 100 }, token)).toBe(true);
    expect(await isAsked(path, { timeLimit: 100 })).toBe(false);
  });

  test('exceptAddresses: where somebody signs in from, who is shown with it', async () => {
    const login = (headers: Record<string, string> = {}) =>
      server.post('/profile/authenticate', { json: { username: ada.username, password: ada.password }, headers });
    const events = ['profile.authenticate'];
    const exempt = await policy(ada, 'authentication', events, {
      configuration: { exceptAddresses: ['192.0.2.1', '127.0.0.0/8', '::1'] },
    });
    expect((await login()).status).toBe(200);
    await server.done('/policy/deactivate', { policyId: exempt }, ada.token);
    await policy(ada, 'authentication', events, { configuration: { exceptAddresses: ['192.0.2.0/24'] } });
    const held = await login({ 'x-symbolon-location': 'Berlin, at home', 'user-agent': 'tester/1' });
    expect(held.status).toBe(202);
    const { content } = await device.got('ballot.issued');
    expect(content).toMatchObject({ operation: 'profile.authenticate', title: 'Sign in' });
    expect(content.context).toEqual({
      requester: { profileId: ada.profileId, username: ada.username },
      ...{ application: null, ip: '127.0.0.1', userAgent: 'tester/1', location: 'Berlin, at home' },
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/),
      ...{ dataContext: null, classification: null, label: null, handling: null, device: null, nonce: null },
    });
    expect(content.question).toContain(ada.username);
  });
});

test('the log tells of a vote in its order, and of the effect only after it', async () => {
  const ada = await server.profile();
  const voter = await authenticatorOf(ada);
  await policy(ada, 'security_settings', ['voting.time_limit_set']);
  const path = '/verified-authenticator/set-voting-time-limit';
  const { commandId } = (await server.post(path, { json: { timeLimit: 99 }, token: ada.token })).body;
  voter.vote(await voter.got('ballot.issued'), 'yes');
  const ended = await server.get(`/request-status/${commandId}`, { token: ada.token, wait: 20 });
  expect(ended.body).toMatchObject({ status: 'succeeded', body: { timeLimit: 99 } });
  const { rows } = await server.database.pool.query(
    `select type from es.event where meta->>'commandId' = $1 order by position`,
    [commandId],
  );
  const types = rows.map(({ type }) => type as string);
  expect(types[0]).toBe('command.accepted');
  expect(types.at(-1)).toBe('command.succeeded');
  const places = [
    ...['policy.matched', 'poll.created', 'ballot.issued', 'ballot.cast', 'poll.resolved', 'command.cleared'],
    ...['voting.time_limit_set', 'command.succeeded'],
  ].map((type) => types.indexOf(type));
  expect(places).toEqual([...places].sort((a, b) => a - b));
  expect(places[0]).toBeGreaterThan(0);
  const pending = types.indexOf('command.pending_vote');
  expect(pending).toBeGreaterThan(0);
  expect(pending).toBeLessThan(types.indexOf('command.cleared'));
  expect(types.filter((type) => /^(command|poll)\./.test(type)).sort()).toEqual([
    ...['command.accepted', 'command.cleared', 'command.pending_vote', 'command.succeeded'],
    ...['poll.created', 'poll.resolved'],
  ]);
});

test('voters read which policy or configuration it is about, however it is named', async () => {
  const ada = await server.profile();
  const voter = await authenticatorOf(ada);
  voter.behaviour['ballot.issued'] = (taken) => void voter.vote(taken, 'no');
  const group = '/verified-authenticator/voting-configuration';
  const fields = { name: 'night watch', timeLimit: 60, strategy: 'affirmative' };
  const { id } = (await server.done(`${group}/register`, fields, ada.token)).body;
  const events = ['voting_configuration.updated', 'voting_configuration.deleted', 'policy.deactivated'];
  const policyId = await policy(ada, 'security_settings', events, { name: 'guard' });
  const calls: Array<[string, object, string]> = [
    [`${group}/update`, { id, timeLimit: 70 }, 'change the voting configuration "night watch"'],
    [`${group}/delete`, { id }, 'delete the voting configuration "night watch"'],
    [`${group}/delete`, { name: 'night watch' }, 'delete the voting configuration "night watch"'],
    ['/policy/deactivate', { policyId }, 'deactivate the policy "guard"'],
    ['/policy/deactivate', { name: 'guard' }, 'deactivate the policy "guard"'],
  ];
  for (const [n, [path, json, deed]] of calls.entries()) {
    const { body } = await server.post(path, { json, token: ada.token, wait: 30 });
    expect(body.reason).toBe('poll.rejected');
    const { content } = await voter.got('ballot.issued', n + 1);
    expect(content.question).toBe(`Allow ${ada.username} to ${deed}?`);
  }
});
