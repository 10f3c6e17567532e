import { generateKeyPair, uuid7 } from '@symbolon/crypto';
import { ManualClock } from '@symbolon/kernel';
import { basic, password, TestApplication, type TestPair, type TestProfile, TestServer } from '@symbolon/testing';

/**
 * The contract's Auth columns (sections 3, 10 and 12), as the contract has them and not as the routes declare them:
 * row, verb, path, who may call; then the scope that an application's token needs (`any`, or `-` for never), and
 * whether a device's own token will do. `link`: the `auth` value alone. A row that is not served yet must be unknown.
 */
const contract = `
1   GET  /health                                                          none
1   GET  /utility/check-server-health                                     none
2   GET  /request-status/{}                                               T    any  device
2   GET  /utility/request-command-id-status/{}                            T    any  device
2   POST /request-status/{}                                               none
2   POST /utility/request-command-id-status/{}                            none
3   POST /profile/register-profile                                        none
4   POST /profile/authenticate                                            none
5   GET  /profile/retrieve-profile-id                                     T    profile:read  device
6   POST /profile/change-password                                         T    -
7   POST /profile/generate-token-qr                                       T    -
8   POST /profile/reauthorize-authorization-token                         T    -    device
9   POST /profile/revoke-authorization-token                              T    any  device
10  POST /profile/authorization-token/expiry                              T    any  device
11  POST /profile/oauth-application-register                              K    -
11  POST /oauth/register-oauth-application                                K    -
12  POST /profile/retrieve-oauth-application-configuration                K    -
13  GET  /profile/oauth-application-request-authorization-code            K    -
14  POST /oauth-application/retrieve-authorization-code                   B
15  POST /oauth-application/obtain-access-token                           B
16  GET  /profile/retrieve-oauth-application-list                         K    -
17  GET  /oauth-application/retrieve-oauth-application-scope              A
17  POST /oauth-application/retrieve-oauth-application-scope              A
17  GET  /oauth/retrieve-oauth-application-scope/{}                       K    -
18  POST /oauth-application/refresh-access-token                          A
19  GET  /public-key/generate-keys                                        T    -    device
19  POST /public-key/generate-keys                                        T    -    device
20  POST /public-key/register-public-key                                  T    -    device
21  GET  /public-key/retrieve-public-key                                  T    profile:read  device
22  GET  /dptcab/public-key                                               none
22  GET  /public-key/retrieve-cab-public-key                              none
23  POST /data-token/reserve-token-space                                  K    data-token:write
24  GET  /data-token/retrieve-temporary-data-token/{}                     K    data-token:read
25  POST /data-token/exchange-data-for-token                              K    data-token:write
26  POST /upstream                                                        link
26  PUT  /upstream                                                        link
26  POST /                                                                link
26  PUT  /                                                                link
27  POST /data-token/request-data                                         K    data-token:read
28  GET  /downstream                                                      link
28  GET  /                                                                link
29  POST /data-token/configure-information-security-risk-meta             K    data-token:write
30  POST /data-token/configure-file-meta                                  K    data-token:write
31  GET  /data-token/list-data-tokens                                     K    data-token:read
32  POST /data-token/update-data                                          K    data-token:write
32  POST /data-token/update-data-token                                    K    data-token:write
33  POST /data-token/delete-data                                          K    data-token:write
34  GET  /data-token/transaction-count-statistics                         K    data-token:read
-   POST /data-token/batch                                                K    data-token:write
-   POST /data-token/batch-request                                        K    data-token:read
35  POST /device/request-unique-identifier                                K    device:write
36  POST /device/retrieve-unique-identifier                               K    device:write
37  GET  /device/retrieve-profile-devices                                 K    device:read
38  POST /device/configure-meta                                           K    device:write
39  POST /device/approve-device                                           K    device:write
40  POST /device/reject-device                                            K    device:write
41  GET  /device/retrieve-device-configuration/{}                         K    device:read  device
41  POST /device/download-device-configuration                            K    device:read  device
42  POST /device/remove                                                   K    device:write
43  POST /storage/register                                                K    storage:write
44  GET  /storage/list-storage-devices                                    K    storage:read
45  POST /storage/synchronize                                             K    storage:write
46  POST /storage/remove                                                  K    storage:write
47  POST /verified-authenticator/register                                 K    authenticator:write
48  GET  /verified-authenticator/list-verified-authenticators             K    authenticator:read
49  GET  /verified-authenticator/retrieve-strategy                        K    authenticator:read
49  GET  /verified-authenticator/retrieve-voting-strategy                 K    authenticator:read
50  POST /verified-authenticator/set-quorum-size                          K    authenticator:write
51  POST /verified-authenticator/set-quorum-strategy                      K    authenticator:write
52  POST /verified-authenticator/set-voting-time-limit                    K    authenticator:write
53  POST /verified-authenticator/set-maximum-voting-attempts              K    authenticator:write
54  POST /verified-authenticator/remove                                   K    authenticator:write
55  POST /verified-authenticator/voting-configuration/register            K    authenticator:write
56  POST /verified-authenticator/voting-configuration/update              K    authenticator:write
57  GET  /verified-authenticator/voting-configuration/list                K    authenticator:read
58  GET  /verified-authenticator/voting-configuration/retrieve/{}         K    authenticator:read
59  GET  /policy/list-policy-templates                                    K    policy:read
60  POST /policy/register                                                 K    policy:write
61  GET  /policy/list-active-policies                                     K    policy:read
62  GET  /policy/list-inactive-policies                                   K    policy:read
63  POST /policy/activate                                                 K    policy:write
64  POST /policy/deactivate                                               K    policy:write
65  POST /policy/delete                                                   K    policy:write
66  GET  /policy/list-registered-policies                                 K    policy:read
67  GET  /policy/retrieve-policy/{}                                       K    policy:read
68  POST /directory/register                                              K    directory:write
69  GET  /directory/retrieve-owned-directories                            K    directory:read
70  GET  /directory/retrieve-assigned-directories                         K    directory:read
71  GET  /directory/retrieve-directory/{}                                 K    directory:read
72  POST /directory/create-user                                           K    directory:write
73  POST /directory/update-user-information                               K    directory:write
74  POST /directory/invite-profile                                        K    directory:write
75  POST /directory/set-profile-password                                  K    directory:write
76  GET  /directory/list-invites                                          K    directory:read
77  POST /directory/process-invitation                                    K    directory:write
78  GET  /directory/retrieve-profile/{}/{}                                K    directory:read
79  GET  /directory/list-users/{}                                         K    directory:read
80  GET  /directory/profiles-info/{}                                      K    directory:read
80  POST /directory/profiles-info/{}                                      K    directory:read
81  POST /directory/create-profile-device                                 K    directory:write
82  POST /directory/add-storage-device                                    K    directory:write
83  GET  /directory/list-devices/{}                                       K    directory:read
84  POST /directory/create-voting-pool                                    K    directory:write
85  POST /directory/store-meta                                            K    directory:write
86  POST /voting/create                                                   K    voting:write
87  GET  /voting/check-pool-status/{}                                     K    voting:read
-   POST /profile/delete-account                                          T    -
-   POST /voting/cancel-pool                                              K    voting:write
-   POST /verified-authenticator/voting-configuration/delete              K    authenticator:write
-   GET  /.well-known/jwks.json                                           none
-   GET  /openapi.json                                                    none
-   GET  /docs                                                            none
-   GET  /asyncapi.json                                                   none
-   GET  /health/live                                                     none
-   GET  /health/ready                                                    none
-   GET  /events                                                          T    any  device
`;

interface Row {
  readonly row: string;
  readonly name: string;
  readonly verb: string;
  readonly path: string;
  readonly auth: 'none' | 'T' | 'K' | 'B' | 'A' | 'link';
  readonly scope: string;
  readonly device: boolean;
}

const rows: readonly Row[] = contract
  .trim()
  .split('\n')
  .map((line) => {
    const [row = '', verb = '', path = '', auth, scope = '-', device] = line.split(/\s+/);
    return { row, name: `${verb} ${path}`, verb, path, auth: auth as Row['auth'], scope, device: device === 'device' };
  });
const withToken = rows.filter(({ auth }) => auth === 'T' || auth === 'K');
const groups = ['data-token', 'device', 'storage', 'authenticator', 'policy', 'directory', 'voting'];
const scopes = ['profile:read', ...groups.flatMap((group) => [`${group}:read`, `${group}:write`])];

/** Fields without which a call would do more than it is made for: it must come past the checks of access, no further. */
const bodies: Readonly<Record<string, object>> = {
  'POST /profile/revoke-authorization-token': { applicationId: 'malformed' },
  'POST /profile/reauthorize-authorization-token': { ttl: 2_592_000 },
};

const unauthorized =
  '{"type":"urn:symbolon:problem:unauthorized","title":"Unauthorized","status":401,"detail":"The request carries no valid credentials.","code":"unauthorized"}';

const clock = new ManualClock(Date.now());
let server: TestServer;
/** Verbs and paths of the routes that are there. */
let served: ReadonlySet<string>;
let ada: TestProfile;
let eve: TestProfile;
let keyless: TestProfile;
let deviceToken: string;
let application: TestApplication;
/** What no T or K row takes, by what is wrong with it. */
const dead = new Map<string, Record<string, string>>();
const deadAccess = new Map<string, string>();
const granted = new Map<string, TestPair>();
let unrelated: Map<string, TestPair>;

beforeAll(async () => {
  server = await TestServer.start({ clock, environment: { SYMBOLON_TOKEN_TTL: '3600' } });
  served = await routes();
  const own = (token: string) => ({ 'x-dpt-authorization': token });

  const early = await server.profile();
  application = await TestApplication.of(server, early);
  const expired = await application.grantedBy(early);
  clock.advance(3601);
  dead.set('expired', own(early.token)).set('expired, of an application', own(expired.token));
  deadAccess.set('expired', expired.token);

  [ada, eve, keyless] = [await server.profile(), await server.profile(), await server.profile({ withKey: false })];
  const revoked = await server.login(ada.username);
  await server.post('/profile/revoke-authorization-token', { token: revoked });
  const ended = await application.grantedBy(ada);
  await server.post('/profile/revoke-authorization-token', {
    json: { authorizationToken: ended.token },
    token: ada.token,
  });
  const replaced = await application.grantedBy(ada);
  await application.refresh(replaced);
  deadAccess.set('revoked', ended.token).set('replaced', replaced.token);
  dead
    .set('revoked', own(revoked))
    .set('revoked, of an application', own(ended.token))
    .set('replaced, of an application', own(replaced.token))
    .set('no token', {})
    .set('an empty token', own(''))
    .set('a malformed token', own('T-short'))
    .set('an unknown token', own(`T-${'x'.repeat(43)}`))
    .set('a refresh token', own(replaced.refreshToken))
    .set('a malformed token before a good one', { ...own('x'), authorization: `Bearer ${ada.token}` })
    .set('a token as Basic credentials', { authorization: `Basic ${ada.token}` })
    .set('credentials of an application', { authorization: basic(application.clientId, application.clientSecret) });

  const { commandId } = await server.done('/device/request-unique-identifier', { deviceName: 'attic' }, ada.token);
  const { body: login } = await server.post('/device/retrieve-unique-identifier', {
    json: { id: commandId },
    token: ada.token,
  });
  deviceToken = await server.login(login.username, login.password);

  for (const scope of scopes) granted.set(scope, await application.grantedBy(ada, [scope]));
  granted.set('all', await application.grantedBy(ada));
  unrelated = new Map();
  for (const scope of scopes) {
    unrelated.set(
      scope,
      await application.grantedBy(
        ada,
        scopes.filter((other) => other !== scope),
      ),
    );
  }
});

afterAll(() => server.stop());

async function routes(): Promise<ReadonlySet<string>> {
  const { paths } = (await server.get('/openapi.json')).body as { paths: Record<string, object> };
  return new Set(
    Object.entries(paths).flatMap(([path, verbs]) =>
      Object.keys(verbs).map((verb) => `${verb.toUpperCase()} ${path.replace(/\{[^}]+\}/g, '{}')}`),
    ),
  );
}

interface Answer {
  readonly status: number;
  readonly type: string | null;
  readonly text: string;
}

/** Calls the row on something that is not there. A stream that opens is closed again at once. */
async function call({ verb, path, name, auth }: Row, headers: Record<string, string>): Promise<Answer> {
  const target = path.replace(/\{\}/g, () => uuid7()) + (auth === 'link' ? `?auth=${'x'.repeat(43)}` : '');
  const answer = await fetch(new URL(target, server.url), {
    method: verb,
    headers: { ...headers, ...(verb === 'GET' ? {} : { 'content-type': 'application/json' }) },
    body: verb === 'GET' ? null : JSON.stringify(bodies[name] ?? {}),
  });
  const type = answer.headers.get('content-type');
  if (!type?.startsWith('text/event-stream')) return { status: answer.status, type, text: await answer.text() };
  await answer.body?.cancel();
  return { status: answer.status, type, text: '' };
}

const as = (row: Row, token: string) => call(row, { 'x-dpt-authorization': token });
const codeOf = ({ status, text }: Answer) => [status, status < 400 ? null : JSON.parse(text).code];
const isRefusal = ({ status }: Answer) => status === 401 || status === 403;
const one401 = { status: 401, type: 'application/problem+json; charset=utf-8', text: unauthorized };

async function lastDenied(profileId: string) {
  const { rows: found } = await server.database.pool.query(
    `select data->>'method' as method, data->>'code' as code from es.event
      where type = 'access.denied' and data->>'profileId' = $1 order by position desc limit 1`,
    [profileId],
  );
  return found[0];
}

/** Every row, served or not; what is not served is unknown or has another verb. */
const each = (some: readonly Row[]) => some.map((row) => [row.name, row] as const);
const absent = async (row: Row): Promise<boolean> => {
  if (served.has(row.name)) return false;
  expect([404, 405]).toContain((await as(row, ada.token)).status);
  return true;
};

test('every route that is served stands in the table', () => {
  const known = new Set(rows.map(({ name }) => name));
  expect(known.size).toBe(rows.length);
  expect([...served].filter((name) => !known.has(name))).toEqual([]);
});

describe('rows that take a token', () => {
  test.each(each(withToken))('%s: every bad token gives the one 401', async (_, row) => {
    if (await absent(row)) return;
    for (const [what, headers] of dead) expect([what, await call(row, headers)]).toEqual([what, one401]);
  });

  test.each(each(withToken))('%s: a profile, with and without a key', async (_, row) => {
    if (await absent(row)) return;
    expect(isRefusal(await as(row, ada.token))).toBe(false);
    expect(isRefusal(await call(row, { authorization: `Bearer ${ada.token}` }))).toBe(false);
    const bare = await as(row, keyless.token);
    if (row.auth === 'T') return expect(isRefusal(bare)).toBe(false);
    expect(codeOf(bare)).toEqual([403, 'profile.public_key_required']);
    expect(await lastDenied(keyless.profileId)).toEqual({ method: row.verb, code: 'profile.public_key_required' });
  });

  test.each(each(withToken))('%s: a device', async (_, row) => {
    if (await absent(row)) return;
    const answer = await as(row, deviceToken);
    if (row.device) expect(isRefusal(answer)).toBe(false);
    else expect(codeOf(answer)).toEqual([403, 'profile.device_not_allowed']);
  });

  test.each(each(withToken))('%s: an application', async (_, row) => {
    if (await absent(row)) return;
    const { scope } = row;
    const insufficient = [403, 'oauth.scope_insufficient'];
    const all = await as(row, granted.get('all')!.token);
    if (scope === '-') {
      expect(codeOf(all)).toEqual(insufficient);
      expect(await lastDenied(ada.profileId)).toEqual({ method: row.verb, code: 'oauth.scope_insufficient' });
      return;
    }
    expect(isRefusal(all)).toBe(false);
    const covering = scope === 'any' ? scopes : [scope];
    for (const name of covering)
      expect([name, isRefusal(await as(row, granted.get(name)!.token))]).toEqual([name, false]);
    if (scope !== 'any') expect(codeOf(await as(row, unrelated.get(scope)!.token))).toEqual(insufficient);
  });
});

describe('rows without a token', () => {
  test.each(each(rows.filter(({ auth }) => auth === 'none')))('%s: credentials are not looked at', async (_, row) => {
    if (await absent(row)) return;
    const { status } = await call(row, {});
    for (const [what, headers] of dead) expect([what, (await call(row, headers)).status]).toEqual([what, status]);
  });

  test.each(each(rows.filter(({ auth }) => auth === 'link')))('%s: takes its `auth` alone', async (_, row) => {
    if (await absent(row)) return;
    expect(await call(row, {})).toEqual(one401);
    expect(await as(row, ada.token)).toEqual(one401);
  });
});

describe('rows for applications', () => {
  test.each(each(rows.filter(({ auth }) => auth === 'B')))('%s: takes client id and secret', async (_, row) => {
    if (await absent(row)) return;
    const { clientId, clientSecret } = application;
    const other = await TestApplication.of(server, eve);
    expect((await call(row, { authorization: basic(clientId, clientSecret) })).status).toBe(422);
    const wrong = [
      basic(clientId, other.clientSecret),
      basic(clientId, clientSecret.slice(1)),
      basic(uuid7(), clientSecret),
      `Basic ${granted.get('all')!.token}`,
      `Bearer ${ada.token}`,
    ];
    for (const authorization of wrong) expect(await call(row, { authorization })).toEqual(one401);
    for (const [what, headers] of dead) {
      if (what !== 'credentials of an application') expect([what, await call(row, headers)]).toEqual([what, one401]);
    }
  });

  test.each(each(rows.filter(({ auth }) => auth === 'A')))('%s: takes an access token as it is', async (_, row) => {
    if (await absent(row)) return;
    const refresh = row.path.endsWith('refresh-access-token');
    const { token } = granted.get('all')!;
    expect((await call(row, { authorization: `Basic ${token}` })).status).toBe(refresh ? 422 : 200);
    for (const [what, gone] of deadAccess) {
      const answer = await call(row, { authorization: `Basic ${gone}` });
      if (refresh && what === 'expired') expect([what, answer.status]).toEqual([what, 422]);
      else expect([what, answer]).toEqual([what, one401]);
    }
    for (const [what, headers] of dead) expect([what, await call(row, headers)]).toEqual([what, one401]);
    for (const bad of [ada.token, deviceToken, Buffer.from(token).toString('base64'), 'T-short']) {
      expect(await call(row, { authorization: `Basic ${bad}` })).toEqual(one401);
    }
    expect(await as(row, token)).toEqual(one401);
  });
});

/**
 * Rows that name an object, with the fields that make the rest of the call good. `id`: an object of eve's, or one that
 * nobody has; the answer must be the same. Where making the object takes a row that is not served yet, there is none.
 */
const naming: ReadonlyArray<readonly [name: string, object: string, fields: (id: string) => object]> = [
  ['GET /request-status/{}', 'command', () => ({})],
  ['GET /utility/request-command-id-status/{}', 'command', () => ({})],
  ['POST /profile/revoke-authorization-token', 'application', (applicationId) => ({ applicationId })],
  ['POST /profile/retrieve-oauth-application-configuration', 'application', (applicationId) => ({ applicationId })],
  ['GET /oauth/retrieve-oauth-application-scope/{}', 'application', () => ({})],
  ['GET /public-key/retrieve-public-key', 'device', (deviceIdentifier) => ({ deviceIdentifier })],
  ['POST /public-key/register-public-key', 'device', (deviceIdentifier) => ({ deviceIdentifier, publicKey })],
  ['GET /data-token/retrieve-temporary-data-token/{}', 'command', () => ({})],
  ['POST /data-token/exchange-data-for-token', 'token', (token) => ({ temporaryTokenSpace: token, data: 'YQ==' })],
  ['POST /data-token/request-data', 'token', (token) => ({ token })],
  [
    'POST /data-token/configure-information-security-risk-meta',
    'token',
    (token) => ({ token, classification: 'c', label: 'l', handling: 'h' }),
  ],
  ['POST /data-token/configure-file-meta', 'token', (token) => ({ token, fileName: 'a', extension: 'b' })],
  ['POST /data-token/update-data', 'token', (token) => ({ token, context: 'c' })],
  ['POST /data-token/update-data-token', 'token', (token) => ({ token, context: 'c' })],
  ['POST /data-token/delete-data', 'token', (token) => ({ token })],
  ['GET /data-token/transaction-count-statistics', 'token', (token) => ({ token })],
  ['POST /data-token/batch-request', 'token', (token) => ({ tokens: [token] })],
  ['POST /device/retrieve-unique-identifier', 'registration', (id) => ({ id })],
  ['POST /device/configure-meta', 'device', (deviceIdentifier) => ({ deviceIdentifier, name: 'x' })],
  ['POST /device/approve-device', 'device', (deviceIdentifier) => ({ deviceIdentifier })],
  ['POST /device/reject-device', 'device', (deviceIdentifier) => ({ deviceIdentifier })],
  ['GET /device/retrieve-device-configuration/{}', 'device', () => ({})],
  ['POST /device/download-device-configuration', 'device', (deviceIdentifier) => ({ deviceIdentifier })],
  ['POST /device/remove', 'device', (deviceIdentifier) => ({ deviceIdentifier })],
  ['POST /storage/register', 'device', (deviceIdentifier) => ({ deviceIdentifier })],
  ['POST /storage/synchronize', 'device', (deviceIdentifier) => ({ deviceIdentifier })],
  ['POST /storage/remove', 'device', (deviceIdentifier) => ({ deviceIdentifier })],
  ['POST /verified-authenticator/register', 'device', (deviceIdentifier) => ({ deviceIdentifier })],
  ['POST /verified-authenticator/remove', 'device', (deviceIdentifier) => ({ deviceIdentifier })],
  ['POST /verified-authenticator/voting-configuration/update', 'configuration', (id) => ({ id, timeLimit: 5 })],
  ['POST /verified-authenticator/voting-configuration/delete', 'configuration', (id) => ({ id })],
  ['GET /verified-authenticator/voting-configuration/retrieve/{}', 'configuration', () => ({})],
  ['POST /policy/register', 'configuration', (id) => ({ ...policy, name: `p-${uuid7()}`, votingConfigurationId: id })],
  ['POST /policy/activate', 'policy', (policyId) => ({ policyId })],
  ['POST /policy/deactivate', 'policy', (policyId) => ({ policyId })],
  ['POST /policy/delete', 'policy', (policyId) => ({ policyId })],
  ['GET /policy/retrieve-policy/{}', 'policy', () => ({})],
  ['GET /directory/retrieve-directory/{}', 'directory', () => ({})],
  [
    'POST /directory/create-user',
    'directory',
    (directoryId) => ({ directoryId, username: `u-${uuid7()}`, password, givenName: 'A', familyName: 'B' }),
  ],
  [
    'POST /directory/update-user-information',
    'directory',
    (directoryId) => ({ directoryId, profileId: uuid7(), givenName: 'A' }),
  ],
  ['POST /directory/invite-profile', 'directory', (directoryId) => ({ directoryId, username: 'somebody' })],
  [
    'POST /directory/set-profile-password',
    'directory',
    (directoryId) => ({ directoryId, profileId: uuid7(), password }),
  ],
  ['GET /directory/list-invites', 'directory', (directoryId) => ({ directoryId })],
  ['GET /directory/list-users/{}', 'directory', () => ({})],
  ['GET /directory/profiles-info/{}', 'directory', () => ({ profileIds: uuid7() })],
  ['POST /directory/profiles-info/{}', 'directory', () => ({ profileIds: [uuid7()] })],
  [
    'POST /directory/create-profile-device',
    'directory',
    (directoryId) => ({ directoryId, profileId: uuid7(), deviceName: 'x' }),
  ],
  [
    'POST /directory/add-storage-device',
    'directory',
    (directoryId) => ({ directoryId, profileId: uuid7(), deviceIdentifier: uuid7() }),
  ],
  ['GET /directory/list-devices/{}', 'directory', () => ({})],
  [
    'POST /directory/create-voting-pool',
    'directory',
    (directoryId) => ({ directoryId, votingConfigurationId: uuid7(), question: 'q', title: 't' }),
  ],
  ['POST /directory/store-meta', 'directory', (directoryId) => ({ directoryId, meta: {} })],
  ['POST /voting/create', 'configuration', (id) => ({ votingConfigurationId: id, question: 'q', title: 't' })],
  ['POST /voting/cancel-pool', 'pool', (poolId) => ({ poolId })],
  ['GET /voting/check-pool-status/{}', 'pool', () => ({})],
];
const policy = { policyTemplateId: 'data_access', applyingEventIds: ['data_token.data_requested'] };
const { publicKey } = generateKeyPair();

describe('objects of another profile', () => {
  /** What eve has, by kind. */
  const objects = new Map<string, string>();

  beforeAll(async () => {
    // The clock has not moved since her login.
    const reserved = await server.done('/data-token/reserve-token-space', { context: 'c' }, eve.token);
    const { token } = (await server.get(`/data-token/retrieve-temporary-data-token/${reserved.commandId}`, eve)).body;
    const device = await server.done(
      '/device/request-unique-identifier',
      { deviceName: 'hers', publicKey: generateKeyPair().publicKey },
      eve.token,
    );
    const { deviceIdentifier } = device.body;
    await server.done('/device/approve-device', { deviceIdentifier }, eve.token);
    objects
      .set('command', reserved.commandId)
      .set('registration', device.commandId)
      .set('token', token)
      .set('device', deviceIdentifier)
      .set('application', (await TestApplication.of(server, eve)).applicationId);
    await make('authenticator', '/verified-authenticator/register', { deviceIdentifier }, 'deviceIdentifier');
    const rule = { name: 'hers', timeLimit: 60, strategy: 'affirmative' };
    await make('configuration', '/verified-authenticator/voting-configuration/register', rule, 'id');
    await make('policy', '/policy/register', policy, 'id');
    const directory = { directoryName: 'Hers', directoryShortName: 'hers' };
    await make('directory', '/directory/register', directory, 'directoryId');
    const pool = { votingConfigurationId: objects.get('configuration'), question: 'q', title: 't' };
    await make('pool', '/voting/create', pool, 'poolId');
  });

  async function make(kind: string, path: string, fields: object, result: string): Promise<void> {
    if (served.has(`POST ${path}`)) objects.set(kind, (await server.done(path, fields, eve.token)).body[result]);
  }

  const unknown = (kind: string) => (kind === 'token' ? `dt_${'x'.repeat(43)}` : uuid7());
  const deniedCount = async () => {
    const { rows: found } = await server.database.pool.query(
      `select count(*)::int as n from es.event where type = 'access.denied' and data->>'profileId' = $1`,
      [ada.profileId],
    );
    return found[0].n as number;
  };

  /** The answer, or how the command ended. */
  async function ask(name: string, id: string, fields: object): Promise<{ status: number; text: string }> {
    const [verb, path] = name.split(' ') as [string, string];
    const query = verb === 'GET' ? `?${new URLSearchParams(fields as Record<string, string>).toString()}` : '';
    const { status, body, text } = await server.call(verb, path.replace('{}', id) + query, {
      token: ada.token,
      wait: 30,
      ...(verb === 'GET' ? {} : { json: fields }),
    });
    return body.commandId ? { status, text: `${body.status} ${body.reason}` } : { status, text };
  }

  test.each(naming)('%s: like what does not exist', async (name, kind, fields) => {
    const row = rows.find((one) => one.name === name);
    if (!row) throw new Error(`${name} is no row`);
    if (await absent(row)) return;
    const id = objects.get(kind);
    if (id === undefined) throw new Error(`eve has no ${kind}`);
    const nobodys = unknown(kind);
    const missing = await ask(name, nobodys, fields(nobodys));
    const before = await deniedCount();
    const foreign = await ask(name, id, fields(id));
    expect(foreign).toEqual(missing);
    if (foreign.status === 200) expect(foreign.text).toMatch(/^rejected /);
    else {
      expect(foreign.status).toBe(404);
      expect(await deniedCount()).toBe(before + 1);
    }
  });

  test('a token of another profile is not revoked', async () => {
    const path = '/profile/revoke-authorization-token';
    const foreign = await server.post(path, { json: { authorizationToken: eve.token }, token: ada.token });
    const missing = await server.post(path, { json: { authorizationToken: 'unknown' }, token: ada.token });
    expect([foreign.status, foreign.text]).toEqual([404, missing.text]);
    expect(
      isRefusal(
        await as(
          rows.find(({ row }) => row === '5')!,
          eve.token,
        ),
      ),
    ).toBe(false);
  });
});
