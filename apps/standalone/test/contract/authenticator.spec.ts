import { generateKeyPair, uuid7 } from '@symbolon/crypto';
import { type TestAnswer, TestDevice, type TestProfile, TestServer } from '@symbolon/testing';

const group = '/verified-authenticator';
const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/);

let server: TestServer;
let ada: TestProfile;
let eve: TestProfile;

beforeAll(async () => {
  server = await TestServer.start();
  ada = await server.profile();
  eve = await server.profile();
});

afterAll(() => server.stop());

const call = (path: string, json: object, token: string): Promise<TestAnswer> =>
  server.post(`${group}${path}`, { json, token, wait: 30 });
async function rejected(path: string, json: object, token: string): Promise<string> {
  const { status, body } = await call(path, json, token);
  expect([status, body.status]).toEqual([200, 'rejected']);
  return body.reason;
}
const done = async (path: string, json: object, token: string) =>
  (await server.done(`${group}${path}`, json, token)).body;
async function invalid(path: string, json: object, field: string): Promise<void> {
  const { status, body } = await call(path, json, ada.token);
  expect([path, json, status, body.code]).toEqual([path, json, 422, 'validation_failed']);
  expect(Object.keys(body.errors)).toContain(field);
}
async function eventsOf(stream: string): Promise<Array<{ type: string; data: Record<string, unknown> }>> {
  const sql = 'select type, data from es.event where stream = $1 order by revision';
  return (await server.database.pool.query(sql, [stream])).rows;
}
async function device({ publicKey = true, approve = true } = {}): Promise<string> {
  const fields = { deviceName: 'pocket', ...(publicKey ? { publicKey: generateKeyPair().publicKey } : {}) };
  const { body } = await server.done('/device/request-unique-identifier', fields, ada.token);
  if (approve) await server.done('/device/approve-device', { deviceIdentifier: body.deviceIdentifier }, ada.token);
  return body.deviceIdentifier;
}
async function authenticator(of = ada): Promise<string> {
  const { deviceIdentifier } = await TestDevice.of(server, of, { storage: false });
  await done('/register', { deviceIdentifier }, of.token);
  return deviceIdentifier;
}

describe('authenticators', () => {
  test('47: an approved device with a key becomes one, verified at once', async () => {
    const deviceIdentifier = await device();
    const { body, type } = await server.done(`${group}/register`, { deviceIdentifier }, ada.token);
    expect(type).toBe('verified-authenticator/register');
    expect(body).toEqual({ deviceIdentifier });
    const events = (await eventsOf(`voting-${ada.profileId}`)).filter(
      ({ data }) => data['deviceIdentifier'] === deviceIdentifier,
    );
    expect(events.map(({ type }) => type)).toEqual(['authenticator.registered', 'authenticator.verified']);
    expect(events[0]!.data).toMatchObject({ deviceIdentifier, profileId: ada.profileId });
    expect(await rejected('/register', { deviceIdentifier }, ada.token)).toBe('authenticator.already_registered');
  });

  test('47: is refused for a device that is unknown, not approved, without key, or another’s', async () => {
    const register = (deviceIdentifier: string, token = ada.token) =>
      rejected('/register', { deviceIdentifier }, token);
    expect(await register(uuid7())).toBe('device.not_found');
    expect(await register(await device(), eve.token)).toBe('device.not_found');
    expect(await register(await device({ approve: false }))).toBe('device.not_approved');
    expect(await register(await device({ publicKey: false }))).toBe('device.public_key_missing');
    await invalid('/register', {}, 'deviceIdentifier');
    await invalid('/register', { deviceIdentifier: 'x' }, 'deviceIdentifier');
  });

  test('48: lists them, newest first, with who is online', async () => {
    const bob = await server.profile();
    const list = (query = '') => server.get(`${group}/list-verified-authenticators${query}`, { token: bob.token });
    expect((await list()).body).toEqual({ items: [], meta: { count: 0, page: 1, perPage: 25 } });
    const first = await TestDevice.of(server, bob, { storage: false });
    const second = await TestDevice.of(server, bob, { storage: false });
    for (const { deviceIdentifier } of [first, second]) await done('/register', { deviceIdentifier }, bob.token);
    await second.connect();
    const { body } = await list();
    expect(body.meta.count).toBe(2);
    expect(new Set(body.items.map((item: any) => item.deviceIdentifier))).toEqual(
      new Set([first.deviceIdentifier, second.deviceIdentifier]),
    );
    const shown = { name: 'attic server', verified: true, registeredAt: time, lastVoteAt: null };
    const item = (id: string) => body.items.find((one: any) => one.deviceIdentifier === id);
    expect(item(first.deviceIdentifier)).toEqual({
      deviceIdentifier: first.deviceIdentifier,
      ...shown,
      online: false,
      lastSeenAt: null,
    });
    expect(item(second.deviceIdentifier)).toEqual({
      deviceIdentifier: second.deviceIdentifier,
      ...shown,
      online: true,
      lastSeenAt: time,
    });
    expect((await list('?perPage=1&page=2')).body.items).toEqual([body.items[1]]);
    expect((await list('?page=0')).status).toBe(422);
    await second.leave();
  });

  test('54: removes one, which may be registered again', async () => {
    const deviceIdentifier = await authenticator();
    expect(await done('/remove', { deviceIdentifier }, ada.token)).toEqual({ deviceIdentifier });
    expect(await rejected('/remove', { deviceIdentifier }, ada.token)).toBe('authenticator.not_registered');
    expect(await rejected('/remove', { deviceIdentifier: await authenticator() }, eve.token)).toBe(
      'authenticator.not_registered',
    );
    expect(await done('/register', { deviceIdentifier }, ada.token)).toEqual({ deviceIdentifier });
    await invalid('/remove', { deviceIdentifier: '' }, 'deviceIdentifier');
  });

  test('its device’s removal ends it', async () => {
    const bob = await server.profile();
    const deviceIdentifier = await authenticator(bob);
    await server.done('/device/remove', { deviceIdentifier }, bob.token);
    const list = await server.get(`${group}/list-verified-authenticators`, { token: bob.token });
    expect(list.body.items).toEqual([]);
    const removed = async () =>
      (await eventsOf(`voting-${bob.profileId}`)).some(({ type }) => type === 'authenticator.removed');
    while (!(await removed())) await new Promise((resolve) => setImmediate(resolve));
    expect(await rejected('/register', { deviceIdentifier }, bob.token)).toBe('device.not_found');
  });
});

describe('settings', () => {
  const settings = async (token: string, path = '/retrieve-strategy') =>
    (await server.get(group + path, { token })).body;

  test('49: shows the defaults, then what was set', async () => {
    const bob = await server.profile();
    const defaults = {
      ...{ quorumSize: 1, strategy: 'affirmative', strategy_params: '', timeLimit: 300, numberOfAttempts: 1 },
      availableStrategies: ['unanimous', 'consensus', 'affirmative', 'minimum_percentage', 'threshold'],
    };
    expect(await settings(bob.token)).toEqual(defaults);
    expect(await settings(bob.token, '/retrieve-voting-strategy')).toEqual(defaults);
    expect(await done('/set-quorum-size', { quorumSize: '2' }, bob.token)).toEqual({ quorumSize: 2 });
    expect(await done('/set-quorum-size', { size: 3 }, bob.token)).toEqual({ quorumSize: 3 });
    expect(await done('/set-voting-time-limit', { timeLimit: 60 }, bob.token)).toEqual({ timeLimit: 60 });
    expect(await done('/set-maximum-voting-attempts', { numberOfAttempts: 4 }, bob.token)).toEqual({
      numberOfAttempts: 4,
    });
    expect(await done('/set-quorum-strategy', { strategy: 'threshold', strategy_params: '2/3' }, bob.token)).toEqual({
      strategy: 'threshold',
      strategy_params: '2/3',
    });
    expect(await settings(bob.token)).toEqual({
      ...defaults,
      ...{ quorumSize: 3, strategy: 'threshold', strategy_params: '2/3', timeLimit: 60, numberOfAttempts: 4 },
    });
    const events = await eventsOf(`voting-${bob.profileId}`);
    const { profileId } = bob;
    expect(events.map(({ type, data }) => ({ type, data: { ...data, sealed: undefined } }))).toEqual([
      { type: 'voting.quorum_size_set', data: { profileId, quorumSize: 2 } },
      { type: 'voting.quorum_size_set', data: { profileId, quorumSize: 3 } },
      { type: 'voting.time_limit_set', data: { profileId, timeLimit: 60 } },
      { type: 'voting.max_attempts_set', data: { profileId, numberOfAttempts: 4 } },
      {
        type: 'voting.quorum_strategy_set',
        data: { profileId, strategy: 'threshold', strategyParams: '2/3', countRequired: 2 },
      },
    ]);
    expect(await settings(ada.token)).toEqual(defaults);
  });

  test.each([
    [{ strategy: 'majority' }, { strategy: 'consensus', strategy_params: '' }],
    [{ strategy: 'single' }, { strategy: 'affirmative', strategy_params: '' }],
    [
      { strategy: 'single_approval', strategy_params: '7' },
      { strategy: 'affirmative', strategy_params: '' },
    ],
    [
      { strategy: 'threshold', strategy_params: 3 },
      { strategy: 'minimum_percentage', strategy_params: '3' },
    ],
    [
      { strategy: 'minimum_percentage', strategy_params: '100' },
      { strategy: 'minimum_percentage', strategy_params: '100' },
    ],
    [{ strategy: 'affirmative' }, { strategy: 'affirmative', strategy_params: '' }],
  ])('51: %j reads back as %j', async (sent, read) => {
    expect(await done('/set-quorum-strategy', sent, eve.token)).toEqual(read);
    expect(await settings(eve.token)).toMatchObject(read);
  });

  test('50 to 53: what is malformed is refused at once', async () => {
    for (const quorumSize of [0, 101, 'two', 1.5]) await invalid('/set-quorum-size', { quorumSize }, 'quorumSize');
    await invalid('/set-quorum-size', {}, 'quorumSize');
    await invalid('/set-quorum-size', { size: 0 }, 'size');
    for (const timeLimit of [0, 86_401, null]) await invalid('/set-voting-time-limit', { timeLimit }, 'timeLimit');
    for (const numberOfAttempts of [0, 11, ''])
      await invalid('/set-maximum-voting-attempts', { numberOfAttempts }, 'numberOfAttempts');
    await invalid('/set-quorum-strategy', {}, 'strategy');
    await invalid('/set-quorum-strategy', { strategy: 'lottery' }, 'strategy');
    for (const strategy_params of [undefined, '', '101', '-1', '2/1', 'x'])
      await invalid('/set-quorum-strategy', { strategy: 'threshold', strategy_params }, 'strategy_params');
    await invalid(
      '/set-quorum-strategy',
      { strategy: 'minimum_percentage', strategy_params: '1/2' },
      'strategy_params',
    );
    await invalid('/set-quorum-strategy', { strategy: 'unanimous', strategy_params: 'x' }, 'strategy_params');
  });
});

describe('voting configurations', () => {
  const path = '/voting-configuration';
  const basis = { timeLimit: 60, strategy: 'unanimous' };
  const retrieve = (nameOrId: string, token = ada.token) =>
    server.get(`${group}${path}/retrieve/${encodeURIComponent(nameOrId)}`, { token });
  let names = 0;
  const register = (fields: object = {}, token = ada.token) =>
    done(`${path}/register`, { name: `set ${++names}`, ...basis, ...fields }, token);

  test('55 and 58: a configuration is registered, and found by name and by id', async () => {
    const deviceIdentifier = await authenticator();
    const { id, name } = await register({
      ...{ strategy: 'threshold', countRequired: 2, deviceIdentifiers: [deviceIdentifier, deviceIdentifier] },
      ...{ quorumSize: 1, numberOfAttempts: 3, category: 'auth' },
    });
    const shown = {
      ...{
        id,
        name,
        timeLimit: 60,
        strategy: 'threshold',
        strategy_params: '2/2',
        percentageRequired: null,
        countRequired: 2,
      },
      ...{
        deviceIdentifiers: [deviceIdentifier],
        quorumSize: 1,
        numberOfAttempts: 3,
        category: 'auth',
        createdAt: time,
        updatedAt: time,
      },
    };
    expect((await retrieve(name)).body).toEqual(shown);
    expect((await retrieve(id)).body).toEqual(shown);
    const events = await eventsOf(`voting-${ada.profileId}`);
    const { createdAt: _, updatedAt: __, strategy_params: strategyParams, ...stored } = shown;
    expect(events.at(-1)).toMatchObject({
      type: 'voting_configuration.registered',
      data: { ...stored, strategyParams, profileId: ada.profileId },
    });
    await done(`${path}/delete`, { id }, ada.token);
  });

  test.each([
    [
      { strategy: 'threshold', percentageRequired: 60 },
      { strategy: 'minimum_percentage', strategy_params: '60', percentageRequired: 60, countRequired: null },
    ],
    [
      { strategy: 'minimum_percentage', strategy_params: '60' },
      { strategy: 'minimum_percentage', strategy_params: '60', percentageRequired: 60, countRequired: null },
    ],
    [
      { strategy: 'threshold', strategy_params: '2/3' },
      { strategy: 'threshold', strategy_params: '2/3', percentageRequired: null, countRequired: 2 },
    ],
    [
      { strategy: 'majority' },
      {
        strategy: 'consensus',
        strategy_params: null,
        percentageRequired: null,
        countRequired: null,
        quorumSize: null,
        numberOfAttempts: null,
        category: null,
        deviceIdentifiers: [],
      },
    ],
  ])('55: %j reads back as %j', async (sent, read) => {
    expect((await retrieve((await register(sent)).name)).body).toMatchObject(read);
  });

  test('55: refuses a second of a name or a category, and devices that are no authenticators', async () => {
    const { name } = await register({ category: 'data' });
    expect(await rejected(`${path}/register`, { name, ...basis }, ada.token)).toBe('voting_configuration.name_taken');
    expect(await rejected(`${path}/register`, { name: 'other', ...basis, category: 'data' }, ada.token)).toBe(
      'voting_configuration.category_taken',
    );
    const deviceIdentifiers = [await device()];
    expect(await rejected(`${path}/register`, { name: 'other', ...basis, deviceIdentifiers }, ada.token)).toBe(
      'authenticator.not_registered',
    );
    expect(await done(`${path}/register`, { name, ...basis, category: 'data' }, eve.token)).toMatchObject({ name });
    await done(`${path}/delete`, { name }, ada.token);
  });

  test('55 and 56: what is malformed is refused at once', async () => {
    for (const [fields, field] of [
      [{ name: 'a/b' }, 'name'],
      [{ name: '' }, 'name'],
      [{ timeLimit: 0 }, 'timeLimit'],
      [{ strategy: 'lottery' }, 'strategy'],
      [{ strategy: 'threshold' }, 'strategy_params'],
      [{ strategy: 'minimum_percentage', countRequired: 2 }, 'countRequired'],
      [{ strategy: 'threshold', countRequired: 2, percentageRequired: 3 }, 'strategy_params'],
      [{ percentageRequired: 101 }, 'percentageRequired'],
      [{ countRequired: 0 }, 'countRequired'],
      [{ deviceIdentifiers: ['x'] }, 'deviceIdentifiers'],
      [{ quorumSize: 0 }, 'quorumSize'],
      [{ numberOfAttempts: 11 }, 'numberOfAttempts'],
      [{ category: 'other' }, 'category'],
    ] as Array<[object, string]>) {
      await invalid(`${path}/register`, { ...basis, name: 'x', ...fields }, field);
      await invalid(`${path}/update`, { ...basis, name: 'x', ...fields }, field);
    }
    await invalid(`${path}/register`, { name: 'x', timeLimit: 1 }, 'strategy');
    await invalid(`${path}/update`, basis, 'name');
    await invalid(`${path}/delete`, {}, 'name');
  });

  test('56: changes what is given, and nothing else', async () => {
    const { id, name } = await register({ strategy: 'threshold', countRequired: 2, quorumSize: 2, category: 'admin' });
    expect(await done(`${path}/update`, { name, timeLimit: 90 }, ada.token)).toEqual({ id, name });
    expect((await retrieve(id)).body).toMatchObject({
      timeLimit: 90,
      strategy: 'threshold',
      countRequired: 2,
      quorumSize: 2,
      category: 'admin',
    });
    await done(`${path}/update`, { id, strategy_params: '50' }, ada.token);
    expect((await retrieve(id)).body).toMatchObject({
      timeLimit: 90,
      strategy: 'minimum_percentage',
      percentageRequired: 50,
      countRequired: null,
    });
    await done(`${path}/update`, { id, name, strategy: 'affirmative' }, ada.token);
    expect((await retrieve(id)).body).toMatchObject({
      strategy: 'affirmative',
      strategy_params: null,
      percentageRequired: null,
    });
    await done(`${path}/update`, { id, strategy_params: '50' }, ada.token);
    expect((await retrieve(id)).body).toMatchObject({ strategy: 'affirmative', strategy_params: null });
    const deviceIdentifier = await authenticator();
    await done(`${path}/update`, { id, deviceIdentifiers: [deviceIdentifier] }, ada.token);
    await done(`${path}/update`, { id, deviceIdentifiers: [] }, ada.token);
    expect((await retrieve(id)).body).toMatchObject({ deviceIdentifiers: [] });
    expect(await rejected(`${path}/update`, { name: 'nobody', timeLimit: 1 }, ada.token)).toBe(
      'voting_configuration.not_found',
    );
    expect(await rejected(`${path}/update`, { id, name: 'nobody', timeLimit: 1 }, ada.token)).toBe(
      'voting_configuration.not_found',
    );
    expect(await rejected(`${path}/update`, { id, timeLimit: 1 }, eve.token)).toBe('voting_configuration.not_found');
    expect(await rejected(`${path}/update`, { id, deviceIdentifiers: [uuid7()] }, ada.token)).toBe(
      'authenticator.not_registered',
    );
    const other = await register();
    expect(await rejected(`${path}/update`, { id: other.id, category: 'admin' }, ada.token)).toBe(
      'voting_configuration.category_taken',
    );
    expect(await done(`${path}/update`, { id, category: 'admin' }, ada.token)).toEqual({ id, name });
  });

  test('57: lists them, newest first', async () => {
    const bob = await server.profile();
    const made = [await register({}, bob.token), await register({}, bob.token), await register({}, bob.token)];
    const { body } = await server.get(`${group}${path}/list?perPage=2`, { token: bob.token });
    expect(body.meta).toEqual({ count: 3, page: 1, perPage: 2 });
    expect(body.items).toHaveLength(2);
    expect(made.map(({ id }) => id)).toContain(body.items[0].id);
    expect(body.items[0]).toEqual((await retrieve(body.items[0].id, bob.token)).body);
  });

  test('58: is silent about what is not there or another’s, and records who asked', async () => {
    const { id, name } = await register();
    for (const unknown of [uuid7(), 'nobody', ' '])
      expect((await retrieve(unknown)).body).toMatchObject({ status: 404, code: 'not_found' });
    expect((await retrieve(name, eve.token)).body.code).toBe('not_found');
    expect((await retrieve(id, eve.token)).body.code).toBe('not_found');
    expect((await eventsOf(`audit-${eve.profileId}`)).map(({ data }) => data['path'])).toContain(
      `${group}${path}/retrieve/${id}`,
    );
  });

  test('deletes one, whose name is free again', async () => {
    const { id, name } = await register({ category: 'data' });
    expect(await done(`${path}/delete`, { name }, ada.token)).toEqual({ id, name });
    expect((await retrieve(id)).status).toBe(404);
    expect(await rejected(`${path}/delete`, { id }, ada.token)).toBe('voting_configuration.not_found');
    const again = await done(`${path}/register`, { name, ...basis, category: 'data' }, ada.token);
    expect(again.name).toBe(name);
    expect(await rejected(`${path}/delete`, { id: again.id }, eve.token)).toBe('voting_configuration.not_found');
  });
});

describe('what active policies need', () => {
  const configuration = '/voting-configuration';
  const policy = (fields: object, token: string) =>
    server.done(
      '/policy/register',
      { policyTemplateId: 'data_access', applyingEventIds: ['data_token.data_requested'], ...fields },
      token,
    );

  test('is not taken away: 50, 51, 54, 55, 56 and deletion', async () => {
    const bob = await server.profile();
    const { token } = bob;
    const [first, second] = [await authenticator(bob), await authenticator(bob)];
    const { body: own } = await policy({ name: 'by settings' }, token);
    await server.done('/policy/activate', { policyId: own.id }, token);
    expect(await rejected('/set-quorum-size', { quorumSize: 3 }, token)).toBe('voting.quorum_exceeds_authenticators');
    expect(await rejected('/set-quorum-strategy', { strategy: 'threshold', strategy_params: '3/3' }, token)).toBe(
      'voting.quorum_exceeds_authenticators',
    );
    expect(await done('/set-quorum-strategy', { strategy: 'threshold', strategy_params: '3' }, token)).toMatchObject({
      strategy_params: '3',
    });
    expect(await done('/set-quorum-size', { quorumSize: 2 }, token)).toEqual({ quorumSize: 2 });
    expect(await rejected('/remove', { deviceIdentifier: first }, token)).toBe('authenticator.required_by_policy');
    const bound = { name: 'for data', timeLimit: 9, strategy: 'single', category: 'data' };
    expect(await rejected(`${configuration}/register`, { ...bound, quorumSize: 3 }, token)).toBe(
      'voting.quorum_exceeds_authenticators',
    );
    expect(await rejected(`${configuration}/register`, { ...bound, deviceIdentifiers: [first] }, token)).toBe(
      'voting.quorum_exceeds_authenticators',
    );
    await done(`${configuration}/register`, { ...bound, quorumSize: 1, deviceIdentifiers: [first] }, token);
    expect(await rejected(`${configuration}/update`, { name: bound.name, quorumSize: 2 }, token)).toBe(
      'voting.quorum_exceeds_authenticators',
    );
    expect(await rejected('/remove', { deviceIdentifier: first }, token)).toBe('authenticator.required_by_policy');
    expect(await done('/remove', { deviceIdentifier: second }, token)).toEqual({ deviceIdentifier: second });
    await server.done('/policy/deactivate', { policyId: own.id }, token);
    expect(await done('/remove', { deviceIdentifier: first }, token)).toEqual({ deviceIdentifier: first });
  });

  test('a configuration that a registered policy names is not deleted', async () => {
    const bob = await server.profile();
    const { token } = bob;
    const { id, name } = await done(
      `${configuration}/register`,
      { name: 'named', timeLimit: 9, strategy: 'single' },
      token,
    );
    const { body: named } = await policy({ votingConfigurationId: name }, token);
    expect(await rejected(`${configuration}/delete`, { id }, token)).toBe('voting_configuration.in_use');
    await server.done('/policy/delete', { policyId: named.id }, token);
    expect(await done(`${configuration}/delete`, { id }, token)).toEqual({ id, name });
  });
});
