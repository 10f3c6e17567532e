import { policyEvents, policyTemplates, type VotingConfigurationRegistered } from '@symbolon/contracts';
import { uuid7 } from '@symbolon/crypto';
import { ScriptedVoting, type TestProfile, TestServer, withoutVoting } from '@symbolon/testing';

let server: TestServer;
let voting: ScriptedVoting;
let ada: TestProfile;
let eve: TestProfile;

beforeAll(async () => {
  server = await TestServer.start({ contexts: withoutVoting });
  voting = new ScriptedVoting(server);
});
beforeEach(async () => {
  ada = await server.profile();
  eve = await server.profile();
});
afterAll(() => server.stop());

const retrieval = { policyTemplateId: 'data_access', applyingEventIds: ['data_token.data_requested'] };
const register = (fields: object = {}, token = ada.token) =>
  server.done('/policy/register', { ...retrieval, ...fields }, token);
const registered = async (fields: object = {}) => (await register(fields)).body as { id: string; name: string };
const activated = async (fields: object = {}) => {
  const { id } = await registered(fields);
  await server.done('/policy/activate', { policyId: id }, ada.token);
  return id;
};
const refusal = async (path: string, fields: object, token = ada.token) => {
  const { status, body } = await server.post(path, { json: fields, token, wait: 30 });
  expect([status, body.status]).toEqual([200, 'rejected']);
  return body.reason;
};
const list = async (which: string, query = '', token = ada.token) =>
  (await server.get(`/policy/list-${which}-policies${query}`, { token })).body;
const configured = async (fields: Partial<VotingConfigurationRegistered['data']> = {}): Promise<string> => {
  const id = uuid7();
  const data = {
    ...{ id, profileId: ada.profileId, name: 'night', strategy: 'affirmative', strategyParams: null },
    ...{ countRequired: null, timeLimit: 60, percentageRequired: null, deviceIdentifiers: [], quorumSize: null },
    ...{ numberOfAttempts: null, category: null },
    ...fields,
  } as VotingConfigurationRegistered['data'];
  await voting.set(ada.profileId, { type: 'voting_configuration.registered', version: 1, data });
  return id;
};
const events = async (type: string, id: string) => {
  const { rows } = await server.database.pool.query(
    `select data from es.event where type = $1 and data->>'id' = $2 order by position`,
    [type, id],
  );
  return rows.map(({ data }) => data);
};

describe('every row', () => {
  const rows: ReadonlyArray<[string, string]> = [
    ['GET', '/policy/list-policy-templates'],
    ['POST', '/policy/register'],
    ['GET', '/policy/list-active-policies'],
    ['GET', '/policy/list-inactive-policies'],
    ['POST', '/policy/activate'],
    ['POST', '/policy/deactivate'],
    ['POST', '/policy/delete'],
    ['GET', '/policy/list-registered-policies'],
    ['GET', '/policy/retrieve-policy/night'],
  ];

  test.each(rows)('%s %s needs a token of a profile with a key', async (method, path) => {
    expect((await server.call(method, path)).status).toBe(401);
    const { token } = await server.profile({ withKey: false });
    const refused = await server.call(method, path, { token });
    expect([refused.status, refused.body.code]).toEqual([403, 'profile.public_key_required']);
  });
});

describe('row 59, listing templates', () => {
  test('shows them all, in their order', async () => {
    const { status, body } = await server.get('/policy/list-policy-templates', { token: ada.token });
    expect(status).toBe(200);
    expect(Object.keys(body)).toEqual([
      'classification',
      'authentication',
      'data_access',
      'data_change',
      'device_management',
      'security_settings',
    ]);
    expect(body.data_access).toEqual({
      name: 'Data access',
      description: 'Ask before data is retrieved',
      events: { 'data_token.data_requested': { 'data_token.data_requested': 'Retrieve data' } },
      configuration: ['context', 'applicationId', 'minimumSize'],
      votingAttributes: ['requester', 'application', 'ip', 'userAgent', 'location', 'time', 'dataContext'],
    });
    expect(body.authentication.events).toEqual({
      'profile.authenticate': { 'profile.authenticate': 'Sign in' },
      'profile.reauthorize': { 'profile.reauthorize': 'Prolong sign-in' },
      'oauth.authorize': { 'oauth.authorize': 'Authorize application' },
    });
    expect(body.security_settings.configuration).toEqual(['applicationId']);
    expect(Object.keys(body.security_settings.events)).toHaveLength(17);
  });

  test('offers every operation that can be held, each in the templates of one category', () => {
    const offered = new Set(policyTemplates.flatMap((template) => template.events));
    expect([...offered].sort()).toEqual(Object.keys(policyEvents).sort());
    for (const template of policyTemplates)
      expect(new Set(template.events.map((id) => policyEvents[id].category)).size).toBe(1);
  });
});

describe('row 60, registering', () => {
  test('makes an inactive policy that can be read back', async () => {
    await configured();
    const { body } = await register({
      name: 'big ones',
      configuration: { context: 'invoices/*', minimumSize: 1000, applicationId: 'any' },
      votingConfigurationId: 'night',
    });
    expect(body).toEqual({ id: expect.any(String), name: 'big ones' });
    const { body: policy } = await server.get(`/policy/retrieve-policy/${body.id}`, { token: ada.token });
    expect(policy).toEqual({
      id: body.id,
      name: 'big ones',
      ...retrieval,
      configuration: { context: 'invoices/*', minimumSize: 1000, applicationId: 'any' },
      votingConfigurationId: 'night',
      configurationId: 'night',
      active: false,
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/),
      updatedAt: policy.createdAt,
    });
    const [event] = await events('policy.registered', body.id);
    expect(event).toMatchObject({ id: body.id, profileId: ada.profileId, name: 'big ones', ...retrieval });
    expect(JSON.stringify(event)).not.toContain('invoices');
  });

  test('gives it a name where none is given', async () => {
    const { id, name } = await registered();
    expect(name).toMatch(/^policy-[0-9a-f]{8}$/);
    const found = await server.get(`/policy/retrieve-policy/${name}`, { token: ada.token });
    expect(found.body).toMatchObject({
      id,
      name,
      configuration: {},
      votingConfigurationId: null,
      configurationId: null,
    });
  });

  test('takes forms with brackets and comma lists, and the configuration by id or under its other name', async () => {
    const id = await configured();
    const form = {
      policyTemplateId: 'authentication',
      'applyingEventIds[]': 'profile.authenticate',
      'configuration[exceptAddresses]': '10.0.0.0/8,::1',
      'configuration[onlyNewAddress]': 'true',
      configurationId: id,
    };
    const { body } = await server.post('/policy/register', { form, token: ada.token, wait: 30 });
    const { body: policy } = await server.get(`/policy/retrieve-policy/${body.body.name}`, { token: ada.token });
    expect(policy).toMatchObject({
      configuration: { exceptAddresses: ['10.0.0.0/8', '::1'], onlyNewAddress: true },
      configurationId: 'night',
    });
  });

  test.each<[string, object]>([
    ['policy.template_unknown', { policyTemplateId: 'nonsense' }],
    ['policy.template_unknown', { policyTemplateId: 'toString' }],
    ['policy.event_not_in_template', { applyingEventIds: ['data_token.deleted'] }],
    ['policy.event_not_in_template', { applyingEventIds: ['data_token.data_requested', 'nonsense'] }],
    ['policy.configuration_key_unknown', { configuration: { classification: 'secret' } }],
    ['policy.configuration_key_unknown', { configuration: { minimumSize: 'large' } }],
    ['policy.configuration_key_unknown', { configuration: { applicationId: 'mine' } }],
    ['validation_failed', { policyTemplateId: '' }],
    ['validation_failed', { applyingEventIds: [] }],
    ['validation_failed', { applyingEventIds: undefined }],
    ['validation_failed', { name: 'a/b' }],
    ['validation_failed', { name: 'x'.repeat(101) }],
    ['validation_failed', { configuration: [1] }],
  ])('refuses as %s: %p', async (code, fields) => {
    const refused = await server.post('/policy/register', { json: { ...retrieval, ...fields }, token: ada.token });
    expect([refused.status, refused.body.code]).toEqual([422, code]);
  });

  test('rejects a name that is in use, and a voting configuration that does not exist', async () => {
    await register({ name: 'night watch' });
    expect(await refusal('/policy/register', { ...retrieval, name: 'night watch' })).toBe('policy.name_taken');
    const unknown = { ...retrieval, votingConfigurationId: 'nobody' };
    expect(await refusal('/policy/register', unknown)).toBe('voting_configuration.not_found');
    // Names are each profile's own.
    await register({ name: 'night watch' }, eve.token);
  });

  test('lets one of several at once have the name', async () => {
    const answers = await Promise.all(
      Array.from({ length: 5 }, () =>
        server.post('/policy/register', { json: { ...retrieval, name: 'only one' }, token: ada.token, wait: 30 }),
      ),
    );
    expect(answers.map(({ body }) => body.status).sort()).toEqual([...Array(4).fill('rejected'), 'succeeded']);
    expect((await list('registered')).meta.count).toBe(1);
  });
});

describe('rows 61, 62 and 66, listing', () => {
  test('show the active, the inactive, and all, newest first', async () => {
    await voting.authenticator(ada.profileId);
    const one = await activated();
    const { id: two } = await registered();
    const three = await activated();
    const ids = async (which: string, query = '') =>
      (await list(which, query)).items.map(({ id }: { id: string }) => id);
    expect(await ids('active')).toEqual([three, one]);
    expect(await ids('inactive')).toEqual([two]);
    expect(await ids('registered')).toEqual([three, two, one]);
    expect(await list('registered', '?page=2&perPage=2')).toMatchObject({
      items: [{ id: one, active: true, ...retrieval }],
      meta: { count: 3, page: 2, perPage: 2 },
    });
    expect(await list('registered', '?page=9')).toEqual({ items: [], meta: { count: 3, page: 9, perPage: 25 } });
    expect((await list('registered', '', eve.token)).meta.count).toBe(0);
    const refused = await server.get('/policy/list-active-policies?perPage=101', { token: ada.token });
    expect(refused.status).toBe(422);
  });
});

describe('row 63, activating', () => {
  test('by id and by name', async () => {
    await voting.authenticator(ada.profileId);
    const { id, name } = await registered();
    const { body } = await server.done('/policy/activate', { policyId: id }, ada.token);
    expect(body).toEqual({ id });
    expect(await events('policy.activated', id)).toMatchObject([{ id }]);
    const { name: second, id: secondId } = await registered();
    expect((await server.done('/policy/activate', { name: second }, ada.token)).body).toEqual({ id: secondId });
    expect(await refusal('/policy/activate', { name })).toBe('policy.already_active');
  });

  test('rejects what does not exist or belongs to somebody else', async () => {
    await voting.authenticator(eve.profileId);
    const { id } = await registered();
    expect(await refusal('/policy/activate', { policyId: uuid7() })).toBe('policy.not_found');
    expect(await refusal('/policy/activate', { name: 'nobody' })).toBe('policy.not_found');
    expect(await refusal('/policy/activate', { policyId: id }, eve.token)).toBe('policy.not_found');
  });

  test('rejects a policy that could not be voted on', async () => {
    const { id } = await registered();
    expect(await refusal('/policy/activate', { policyId: id })).toBe('policy.no_authenticators');
    await voting.authenticator(ada.profileId);
    await voting.set(ada.profileId, {
      type: 'voting.quorum_size_set',
      version: 1,
      data: { profileId: ada.profileId, quorumSize: 2 },
    });
    expect(await refusal('/policy/activate', { policyId: id })).toBe('policy.no_authenticators');
    await voting.authenticator(ada.profileId);
    await server.done('/policy/activate', { policyId: id }, ada.token);
  });

  test.each(['activate', 'deactivate', 'delete'])('%s needs an id or a name', async (verb) => {
    for (const json of [{}, { policyId: 'x' }, { policyId: '', name: '' }]) {
      const refused = await server.post(`/policy/${verb}`, { json, token: ada.token });
      expect([refused.status, refused.body.code]).toEqual([422, 'validation_failed']);
    }
  });
});

describe('row 64, deactivating', () => {
  test('ends it; what is not active is refused', async () => {
    await voting.authenticator(ada.profileId);
    const id = await activated({ name: 'for a while' });
    expect((await server.done('/policy/deactivate', { name: 'for a while' }, ada.token)).body).toEqual({ id });
    expect(await events('policy.deactivated', id)).toMatchObject([{ id }]);
    expect((await list('inactive')).items).toMatchObject([{ id, active: false }]);
    expect(await refusal('/policy/deactivate', { policyId: id })).toBe('policy.not_active');
    expect(await refusal('/policy/deactivate', { policyId: uuid7() })).toBe('policy.not_found');
  });
});

describe('row 65, deleting', () => {
  test('frees the name; what is active is refused', async () => {
    await voting.authenticator(ada.profileId);
    const id = await activated({ name: 'gone soon' });
    expect(await refusal('/policy/delete', { policyId: id })).toBe('policy.active');
    await server.done('/policy/deactivate', { policyId: id }, ada.token);
    expect((await server.done('/policy/delete', { name: 'gone soon' }, ada.token)).body).toEqual({ id });
    expect(await events('policy.deleted', id)).toMatchObject([{ id }]);
    expect(await refusal('/policy/delete', { policyId: id })).toBe('policy.not_found');
    expect((await server.get(`/policy/retrieve-policy/${id}`, { token: ada.token })).status).toBe(404);
    await register({ name: 'gone soon' });
  });
});

describe('row 67, retrieving', () => {
  test('answers 404 for what does not exist or belongs to somebody else', async () => {
    const { id, name } = await registered();
    for (const [ref, token] of [
      [uuid7(), ada.token],
      ['nobody', ada.token],
      [id, eve.token],
      [name, eve.token],
    ] as const) {
      const { status, body } = await server.get(`/policy/retrieve-policy/${ref}`, { token });
      expect([status, body.code]).toEqual([404, 'not_found']);
    }
  });

  test('finds names that need encoding', async () => {
    const { id } = await registered({ name: 'ä & b? #1' });
    const path = `/policy/retrieve-policy/${encodeURIComponent('ä & b? #1')}`;
    expect((await server.get(path, { token: ada.token })).body.id).toBe(id);
  });
});
