import { KeyStore, uuid7 as mintUuid } from '@symbolon/crypto';
import { ManualClock, Streams } from '@symbolon/kernel';
import {
  basic,
  consentPath,
  TestApplication,
  TestDevice,
  type TestProfile,
  TestServer,
  TestSocket,
} from '@symbolon/testing';

const uuid7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const secret = /^[\w-]{43}$/;
const unauthorized =
  '{"type":"urn:symbolon:problem:unauthorized","title":"Unauthorized","status":401,"detail":"The request carries no valid credentials.","code":"unauthorized"}';

const clock = new ManualClock(Date.now());
let server: TestServer;
let ada: TestProfile;
let eve: TestProfile;

beforeAll(async () => {
  server = await TestServer.start({ clock, environment: { SYMBOLON_TOKEN_TTL: '31536000' } });
  ada = await server.profile();
  eve = await server.profile();
});

afterAll(() => server.stop());

const registration = (more: object = {}) => ({
  name: `Ledger ${Math.random()}`,
  redirectUri: 'https://app.example/back',
  scopes: ['data-token:read', 'data-token:write'],
  ...more,
});
const register = (json: object, token = ada.token) =>
  server.post('/profile/oauth-application-register', { json, token, wait: 30 });
const configuration = (json: object, token = ada.token) =>
  server.post('/profile/retrieve-oauth-application-configuration', { json, token });
const ask = (application: TestApplication, scope: string[], nonce: string, token = ada.token) =>
  server.get(consentPath(application.clientId, scope, nonce), { token, wait: 30 });
const profileIdOf = (token: string) => server.get('/profile/retrieve-profile-id', { token });
const denied = async (path: string) => {
  const { rows } = await server.database.pool.query(
    `select data, meta from es.event where type = 'access.denied' and data->>'path' = $1 order by position desc`,
    [path],
  );
  return rows;
};
const lastEvent = async (type: string) => {
  const { rows } = await server.database.pool.query(
    'select data, meta from es.event where type = $1 order by position desc limit 1',
    [type],
  );
  return rows[0];
};

describe('11 Register OAuth Application', () => {
  test('succeeds with the command id as application id', async () => {
    const { status, body } = await register(registration());
    expect([status, body.type, body.status]).toEqual([200, 'profile/oauth-application-register', 'succeeded']);
    expect(body.body).toEqual({ applicationId: body.commandId, clientId: expect.stringMatching(uuid7) });
  });

  test('answers on its alias under the primary path, also with `scope[]` in a form', async () => {
    const { status, body } = await server.post('/oauth/register-oauth-application', {
      body: new URLSearchParams([
        ['name', 'by alias'],
        ['redirectUri', 'http://127.0.0.1:3000/back'],
        ['scope[]', 'device:read'],
        ['scope[]', 'profile:read'],
      ]),
      token: ada.token,
      wait: 30,
    });
    expect([status, body.type, body.status]).toEqual([200, 'profile/oauth-application-register', 'succeeded']);
    const shown = await configuration({ applicationId: body.commandId });
    expect(shown.body).toMatchObject({
      redirectUri: 'http://127.0.0.1:3000/back',
      scopes: ['profile:read', 'device:read'],
    });
  });

  test('`all` is every scope', async () => {
    const { body } = await register(registration({ scopes: 'all' }));
    expect((await configuration({ applicationId: body.commandId })).body.scopes).toHaveLength(15);
  });

  test.each([
    ['no name', { name: undefined }, 'name'],
    ['an empty name', { name: '' }, 'name'],
    ['a long name', { name: 'x'.repeat(101) }, 'name'],
    ['no redirect URI', { redirectUri: undefined }, 'redirectUri'],
    ['a redirect URI in the clear', { redirectUri: 'http://app.example/back' }, 'redirectUri'],
    ['a relative redirect URI', { redirectUri: '/back' }, 'redirectUri'],
    ['a long redirect URI', { redirectUri: `https://app.example/${'x'.repeat(2048)}` }, 'redirectUri'],
    ['no scopes', { scopes: undefined }, 'scopes'],
    ['empty scopes', { scopes: [] }, 'scopes'],
    ['scopes that are no text', { scopes: [7] }, 'scopes'],
  ])('refuses %s', async (_, more, field) => {
    const { status, body } = await register(registration(more));
    expect([status, body.code, Object.keys(body.errors)]).toEqual([422, 'validation_failed', [field]]);
  });

  test.each([['everything'], ['profile:write'], ['data-token'], ['device:read,nothing:read']])(
    'refuses the unknown scope %s',
    async (scopes) => {
      const { status, body } = await register(registration({ scopes }));
      expect([status, body.code]).toEqual([422, 'oauth.scope_unknown']);
    },
  );

  test('a name is unique per profile, also of many at once', async () => {
    const json = registration({ name: 'the one and only' });
    const answers = await Promise.all(Array.from({ length: 10 }, () => register(json)));
    const outcomes = answers.map(({ body }) => body.reason ?? body.status).sort();
    expect(outcomes).toEqual([...Array<string>(9).fill('oauth.name_taken'), 'succeeded']);
    expect((await register(json, eve.token)).body.status).toBe('succeeded');
  });

  test('an Idempotency-Key repeats the first answer', async () => {
    const json = registration();
    const call = (fields: object) =>
      server.post('/profile/oauth-application-register', {
        json: fields,
        token: ada.token,
        headers: { 'idempotency-key': 'once' },
      });
    const [first, second] = [await call(json), await call(json)];
    expect(second.body).toEqual(first.body);
    expect((await call({ ...json, name: 'another' })).body.code).toBe('idempotency.key_reused');
  });
});

describe('12 Retrieve OAuth app configuration', () => {
  test('shows the secret once, also of many calls at once', async () => {
    const { body } = await register(registration());
    const { applicationId, clientId } = body.body;
    const answers = await Promise.all(Array.from({ length: 8 }, () => configuration({ applicationId })));
    const [shown, ...others] = answers.sort((a, b) => a.status - b.status);
    expect([shown!.status, shown!.body]).toEqual([
      200,
      {
        applicationId,
        clientId,
        clientSecret: expect.stringMatching(secret),
        redirectUri: 'https://app.example/back',
        scopes: ['data-token:read', 'data-token:write'],
      },
    ]);
    for (const other of others) expect([other.status, other.body.code]).toEqual([422, 'oauth.already_retrieved']);
    expect(await lastEvent('oauth_application.configuration_retrieved')).toMatchObject({ data: { applicationId } });
  });

  test('finds neither what is unknown nor what is another profile’s', async () => {
    const { body } = await register(registration());
    const { applicationId } = body.body;
    const foreign = await configuration({ applicationId }, eve.token);
    const unknown = await configuration({ applicationId: eve.profileId }, eve.token);
    expect([foreign.status, foreign.text]).toEqual([404, unknown.text]);
    const [record] = await denied('/profile/retrieve-oauth-application-configuration');
    expect(record.data).toMatchObject({ profileId: eve.profileId, method: 'POST', code: 'not_found' });
    expect((await configuration({ applicationId })).status).toBe(200);
  });

  test('refuses a malformed id', async () => {
    const { status, body } = await configuration({ applicationId: 'x' });
    expect([status, body.code]).toEqual([422, 'validation_failed']);
  });
});

describe('13 Request OAuth app authorization code', () => {
  let application: TestApplication;
  beforeAll(async () => {
    application = await TestApplication.of(server, ada, ['device:read', 'device:write']);
  });

  test('is a command of the profile that consents', async () => {
    const answer = await ask(application, ['device:read'], 'n1', eve.token);
    expect([answer.status, answer.body.type]).toEqual([200, 'profile/oauth-application-request-authorization-code']);
    expect(answer.body.body).toEqual({ clientId: application.clientId, scope: ['device:read'] });
    expect(answer.headers.get('x-dpt-cab-id')).toBe(answer.body.commandId);
    expect(await lastEvent('oauth.authorization_code_requested')).toMatchObject({
      data: { applicationId: application.applicationId, profileId: eve.profileId, scope: ['device:read'] },
      meta: { actor: { profileId: eve.profileId, kind: 'user' } },
    });
  });

  test('answers 202 without Prefer, and takes scopes as one list', async () => {
    const { clientId } = application;
    const { status, body } = await server.get(
      `/profile/oauth-application-request-authorization-code?client_id=${clientId}&nonce=n2&scope=device:read,device:write`,
      { token: eve.token },
    );
    expect([status, body]).toEqual([202, { commandId: expect.stringMatching(uuid7), status: 'started' }]);
    const ended = await server.get(`/request-status/${body.commandId}`, { token: eve.token, wait: 30 });
    expect(ended.body.body.scope).toEqual(['device:read', 'device:write']);
  });

  test('`all` is what the application was registered with', async () => {
    expect((await ask(application, ['all'], 'n3')).body.body.scope).toEqual(['device:read', 'device:write']);
  });

  test('the same within 24 hours repeats the first answer until a code was issued', async () => {
    const first = await ask(application, ['device:read', 'device:write'], 'n4');
    const id = first.body.commandId;
    for (const scope of [['device:write', 'device:read'], ['all']]) {
      expect((await ask(application, scope, 'n4')).body.commandId).toBe(id);
    }
    const other = await ask(application, ['device:read'], 'n4');
    expect([other.body.status, other.body.reason]).toEqual(['rejected', 'oauth.nonce_reused']);
    expect(other.body.commandId).not.toBe(id);
    expect((await ask(application, ['all'], 'n4', eve.token)).body.status).toBe('succeeded');

    await application.code({ id, nonce: 'n4' });
    const spent = await ask(application, ['all'], 'n4');
    expect([spent.body.status, spent.body.reason]).toEqual(['rejected', 'oauth.nonce_reused']);
    expect(spent.body.commandId).not.toBe(id);
  });

  test('after 24 hours it is a new request, unless a code was issued', async () => {
    const old = await ask(application, ['all'], 'n5');
    const spent = await application.consent(ada, ['all'], 'n6');
    await application.code(spent);
    clock.advance(24 * 3600 + 1);
    const again = await ask(application, ['device:read'], 'n5');
    expect(again.body.status).toBe('succeeded');
    expect(again.body.commandId).not.toBe(old.body.commandId);
    expect((await ask(application, ['all'], 'n6')).body.reason).toBe('oauth.nonce_reused');
  });

  test('many at once are one request', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask(application, ['all'], 'n7')));
    expect(new Set(answers.map(({ body }) => body.commandId)).size).toBe(1);
    expect(answers[0]!.body.status).toBe('succeeded');
  });

  test.each([
    ['unknown', ['nothing:read']],
    ['beyond the application’s', ['device:read', 'data-token:read']],
  ])('refuses a scope that is %s', async (_, scope) => {
    const { status, body } = await ask(application, scope, 'n8');
    expect([status, body.code]).toEqual([422, 'oauth.scope_unknown']);
  });

  test('finds no unknown client', async () => {
    for (const clientId of [application.applicationId, 'no client']) {
      const { status, body } = await server.get(consentPath(clientId, ['all'], 'n9'), { token: ada.token });
      expect([status, body.code]).toEqual([404, 'not_found']);
    }
  });

  test.each([
    ['client_id', '?nonce=n&scope[]=all'],
    ['nonce', '?client_id=c&scope[]=all'],
    ['nonce', `?client_id=c&scope[]=all&nonce=${'x'.repeat(256)}`],
    ['scope', '?client_id=c&nonce=n'],
  ])('requires %s in %s', async (field, query) => {
    const path = `/profile/oauth-application-request-authorization-code${query}`;
    const { status, body } = await server.get(path, { token: ada.token });
    expect([status, body.code, Object.keys(body.errors)]).toEqual([422, 'validation_failed', [field]]);
  });
});

describe('14 Retrieve OAuth app authorization code', () => {
  const path = '/oauth-application/retrieve-authorization-code';
  let application: TestApplication;
  let other: TestApplication;
  beforeAll(async () => {
    application = await TestApplication.of(server, ada);
    other = await TestApplication.of(server, eve);
  });

  test('gives a code once, also of many calls at once', async () => {
    const consent = await application.consent(eve, ['all'], 'given once');
    const answers = await Promise.all(Array.from({ length: 8 }, () => application.call(path, consent)));
    const [given, ...others] = answers.sort((a, b) => a.status - b.status);
    expect([given!.status, given!.body]).toEqual([
      200,
      {
        clientId: application.clientId,
        nonce: 'given once',
        authorizationCode: expect.stringMatching(secret),
        expiresAt: expect.any(String),
      },
    ]);
    expect(Date.parse(given!.body.expiresAt)).toBe(Math.floor(clock.millis() / 1000) * 1000 + 600_000);
    for (const refused of others) expect([refused.status, refused.body.code]).toEqual([422, 'oauth.already_retrieved']);
    expect(await lastEvent('oauth.authorization_code_issued')).toMatchObject({
      data: { applicationId: application.applicationId, profileId: eve.profileId },
      meta: { actor: { kind: 'application', applicationId: application.applicationId, profileId: eve.profileId } },
    });
  });

  test('finds neither what is unknown, nor another client’s, nor another kind of command', async () => {
    const consent = await application.consent(eve);
    const unknown = await application.call(path, { ...consent, id: eve.profileId });
    const foreign = await other.call(path, consent);
    const elsewhere = await application.call(path, { ...consent, id: application.applicationId });
    for (const answer of [unknown, foreign, elsewhere])
      expect([answer.status, answer.text]).toEqual([404, unknown.text]);
    const [record] = await denied(path);
    expect(record).toMatchObject({
      data: { profileId: eve.profileId, method: 'POST', code: 'not_found' },
      meta: { actor: { kind: 'application', applicationId: other.applicationId } },
    });
    expect((await application.call(path, consent)).status).toBe(200);
  });

  test('wants the nonce of the request', async () => {
    const consent = await application.consent(eve);
    const wrong = await application.call(path, { ...consent, nonce: 'another' });
    expect([wrong.status, wrong.body.code]).toEqual([422, 'oauth.nonce_mismatch']);
    expect((await application.call(path, consent)).status).toBe(200);
  });

  test('says that a request was rejected', async () => {
    const consent = await application.consent(eve, ['all'], 'used up');
    await application.code(consent);
    const { body } = await ask(application, ['all'], 'used up', eve.token);
    expect(body.status).toBe('rejected');
    const refused = await application.call(path, { id: body.commandId, nonce: 'used up' });
    expect([refused.status, refused.body.code]).toEqual([422, 'oauth.authorization_denied']);
  });

  test('says that a request is pending', async () => {
    const app = server.served.app;
    const id = mintUuid();
    const input = {
      applicationId: application.applicationId,
      clientId: application.clientId,
      scope: ['profile:read'],
      nonceHash: app.get(KeyStore).hashGuess('oauth-nonce', 'held'),
      nonceReused: false,
    };
    // As a policy holds it: accepted, and not cleared.
    const accepted = {
      type: 'command.accepted',
      version: 1,
      data: {
        commandId: id,
        commandType: 'profile/oauth-application-request-authorization-code',
        profileId: eve.profileId,
        requestId: null,
        idempotencyKeyHash: null,
        anonymous: false,
        partOf: null,
      },
      personal: { subject: eve.profileId, fields: { input, location: null } },
    };
    const actor = { profileId: eve.profileId, kind: 'user' } as const;
    const cause = { commandId: id, correlationId: id, causationId: id, actor };
    await app.get(Streams).append(`command-${id}`, 'none', [accepted], cause);
    const pending = await application.call(path, { id, nonce: 'held' });
    expect([pending.status, pending.body.code]).toEqual([409, 'command.pending']);
    expect((await other.call(path, { id, nonce: 'held' })).status).toBe(404);
  });

  test('gives none for a consent that was withdrawn', async () => {
    const consent = await application.consent(ada);
    const revoked = await server.post('/profile/revoke-authorization-token', {
      json: { applicationId: application.applicationId },
      token: ada.token,
    });
    expect(revoked.status).toBe(200);
    const refused = await application.call(path, consent);
    expect([refused.status, refused.body.code]).toEqual([422, 'oauth.authorization_denied']);
  });

  test.each([
    ['id', { nonce: 'n' }],
    ['id', { id: 'x', nonce: 'n' }],
    ['nonce', { id: '0193b4c6-1f2e-7a41-b7d5-2c9e4a6f8b10' }],
  ])('requires %s in %j', async (field, json) => {
    const { status, body } = await application.call(path, json);
    expect([status, body.code, Object.keys(body.errors)]).toEqual([422, 'validation_failed', [field]]);
  });

  test('wrong credentials give the one 401, before anything else is looked at', async () => {
    const { clientId, clientSecret } = application;
    const wrong = [
      undefined,
      basic(clientId, other.clientSecret),
      basic(other.clientId, clientSecret),
      basic(clientId, ''),
      basic('x', clientSecret),
      `Basic ${clientId}:${clientSecret}`,
      `Basic ${Buffer.from(clientId).toString('base64')}`,
      `Bearer ${ada.token}`,
      `Basic ${ada.token}`,
    ];
    for (const authorization of wrong) {
      const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
      for (const row of [path, '/oauth-application/obtain-access-token']) {
        const answer = await server.post(row, { json: {}, headers });
        expect([authorization, answer.status, answer.text]).toEqual([authorization, 401, unauthorized]);
      }
    }
    const withToken = await server.post(path, { json: {}, token: ada.token });
    expect([withToken.status, withToken.text]).toEqual([401, unauthorized]);
  });
});

describe('15 Obtain OAuth app access token', () => {
  const path = '/oauth-application/obtain-access-token';
  let application: TestApplication;
  let other: TestApplication;
  beforeAll(async () => {
    application = await TestApplication.of(server, ada, ['profile:read', 'device:read']);
    other = await TestApplication.of(server, eve);
  });
  const obtain = (by: TestApplication, code: string) => by.call(path, { authorization_code: code });
  const freshCode = async () => application.code(await application.consent(eve, ['profile:read']));

  test('gives a pair of tokens for an hour and for 30 days', async () => {
    const { status, body } = await obtain(application, await freshCode());
    expect([status, body]).toEqual([
      200,
      {
        clientId: application.clientId,
        token: expect.stringMatching(/^T-[\w-]{43}$/),
        refreshToken: expect.stringMatching(secret),
        type: 'bearer',
        scope: ['profile:read'],
        expiresAt: expect.any(String),
        refreshTokenExpiresAt: expect.any(String),
      },
    ]);
    const now = Math.floor(clock.millis() / 1000) * 1000;
    expect([Date.parse(body.expiresAt), Date.parse(body.refreshTokenExpiresAt)]).toEqual([
      now + 3600_000,
      now + 30 * 24 * 3600_000,
    ]);
    expect((await profileIdOf(body.token)).body).toEqual({ profileId: eve.profileId });
    const asBearer = await server.get('/profile/retrieve-profile-id', {
      headers: { authorization: `Bearer ${body.token}` },
    });
    expect(asBearer.body).toEqual({ profileId: eve.profileId });
    expect(await lastEvent('oauth.access_token_issued')).toMatchObject({
      meta: { actor: { kind: 'application', applicationId: application.applicationId, profileId: eve.profileId } },
    });
  });

  test('a code of another client, an unknown and an expired one give 401', async () => {
    const code = await freshCode();
    expect((await obtain(other, code)).text).toBe(unauthorized);
    expect((await obtain(application, 'x'.repeat(43))).text).toBe(unauthorized);
    expect((await obtain(application, code)).status).toBe(200);
    const late = await freshCode();
    clock.advance(600);
    expect((await obtain(application, late)).text).toBe(unauthorized);
  });

  test('a code used again gives 401 and ends every token that came from it', async () => {
    const consent = await application.consent(eve);
    const code = await application.code(consent);
    const first = await application.obtain(code);
    const second = (await application.refresh(first)).body;
    expect((await profileIdOf(second.token)).status).toBe(200);
    expect((await obtain(application, code)).text).toBe(unauthorized);
    expect((await profileIdOf(second.token)).text).toBe(unauthorized);
    expect((await application.refresh(second)).text).toBe(unauthorized);
    const again = await application.call('/oauth-application/retrieve-authorization-code', consent);
    expect(again.body.code).toBe('oauth.already_retrieved');
    expect(await lastEvent('oauth.token_family_revoked')).toMatchObject({
      data: { applicationId: application.applicationId, profileId: eve.profileId, cause: 'code_reused' },
    });
  });

  test('of many calls at once at most one gives tokens, and those end', async () => {
    const code = await freshCode();
    const answers = await Promise.all(Array.from({ length: 6 }, () => obtain(application, code)));
    const given = answers.filter(({ status }) => status === 200);
    expect(given).toHaveLength(1);
    for (const { status, text } of answers) if (status !== 200) expect(text).toBe(unauthorized);
    expect((await profileIdOf(given[0]!.body.token)).text).toBe(unauthorized);
  });

  test('requires the code', async () => {
    const { status, body } = await application.call(path, {});
    expect([status, body.code]).toEqual([422, 'validation_failed']);
  });
});

describe('16 OAuth application list', () => {
  test('shows my applications, newest first, never a secret', async () => {
    const zoe = await server.profile();
    for (const name of ['first', 'second', 'third']) await register(registration({ name }), zoe.token);
    const list = (query = '') => server.get(`/profile/retrieve-oauth-application-list${query}`, { token: zoe.token });
    const { body } = await list();
    expect(body.meta).toEqual({ count: 3, page: 1, perPage: 25 });
    expect(body.items.map(({ name }: any) => name)).toEqual(['third', 'second', 'first']);
    expect(body.items[0]).toEqual({
      applicationId: expect.stringMatching(uuid7),
      clientId: expect.stringMatching(uuid7),
      name: 'third',
      redirectUri: 'https://app.example/back',
      scopes: ['data-token:read', 'data-token:write'],
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/),
    });
    const paged = (await list('?page=2&perPage=2')).body;
    expect([paged.items.length, paged.meta]).toEqual([1, { count: 3, page: 2, perPage: 2 }]);
    expect((await list('?page=9')).body.items).toEqual([]);
    expect((await list('?perPage=101')).status).toBe(422);
  });
});

describe('17 Retrieve OAuth application scope', () => {
  const path = '/oauth-application/retrieve-oauth-application-scope';

  test('shows what was granted to the token, by GET and POST, and by the alias what was registered', async () => {
    const application = await TestApplication.of(server, ada, ['device:read', 'device:write']);
    const { token } = await application.grantedBy(eve, ['device:read']);
    const { clientId, applicationId } = application;
    for (const method of ['GET', 'POST']) {
      const { status, body } = await server.call(method, path, { headers: { authorization: `Basic ${token}` } });
      expect([status, body]).toEqual([200, { clientId, scope: ['device:read'] }]);
    }
    const alias = `/oauth/retrieve-oauth-application-scope/${applicationId}`;
    expect((await server.get(alias, { token: ada.token })).body).toEqual({
      clientId,
      scope: ['device:read', 'device:write'],
    });
    const foreign = await server.get(alias, { token: eve.token });
    expect([foreign.status, foreign.body.code]).toEqual([404, 'not_found']);
    expect(await denied(alias)).toHaveLength(1);
    for (const id of ['x', eve.profileId]) {
      const { text } = await server.get(`/oauth/retrieve-oauth-application-scope/${id}`, { token: ada.token });
      expect(text).toBe(foreign.text);
    }
  });

  test('takes a live access token as it is, and nothing else', async () => {
    const application = await TestApplication.of(server, ada);
    const { token } = await application.grantedBy(eve);
    const wrong = [
      `Basic ${ada.token}`,
      `Bearer ${token}`,
      `Basic ${Buffer.from(token).toString('base64')}`,
      basic(application.clientId, application.clientSecret),
      'Basic T-short',
    ];
    for (const authorization of wrong) {
      expect((await server.get(path, { headers: { authorization } })).text).toBe(unauthorized);
    }
    expect((await server.get(path, { token })).text).toBe(unauthorized);
    clock.advance(3600);
    expect((await server.get(path, { headers: { authorization: `Basic ${token}` } })).text).toBe(unauthorized);
    expect((await profileIdOf(token)).text).toBe(unauthorized);
  });
});

describe('18 Refresh OAuth app access token', () => {
  const path = '/oauth-application/refresh-access-token';
  let application: TestApplication;
  beforeAll(async () => {
    application = await TestApplication.of(server, ada, ['profile:read', 'device:read']);
  });
  const granted = () => application.grantedBy(eve, ['profile:read']);

  test('gives a new pair; the old one is dead at once', async () => {
    const first = await granted();
    const { status, body } = await application.refresh(first);
    expect([status, Object.keys(body).sort()]).toEqual([
      200,
      ['clientId', 'expiresAt', 'refreshToken', 'refreshTokenExpiresAt', 'scope', 'token', 'type'],
    ]);
    expect(body.scope).toEqual(['profile:read']);
    expect([body.token === first.token, body.refreshToken === first.refreshToken]).toEqual([false, false]);
    expect((await profileIdOf(first.token)).text).toBe(unauthorized);
    expect((await profileIdOf(body.token)).status).toBe(200);
    const event = await lastEvent('oauth.access_token_refreshed');
    expect(event.data.previousTokenId).toBe((await lastEvent('oauth.access_token_issued')).data.tokenId);
  });

  test('takes an expired access token', async () => {
    const first = await granted();
    clock.advance(3601);
    const second = (await application.refresh(first)).body;
    expect((await profileIdOf(second.token)).status).toBe(200);
  });

  test.each([['old'], ['new']])(
    'a refresh token used again, with the %s access token, ends the family',
    async (which) => {
      const first = await granted();
      const second = (await application.refresh(first)).body;
      const third = (await application.refresh(second)).body;
      const token = which === 'old' ? first.token : third.token;
      expect((await application.refresh({ token, refreshToken: first.refreshToken })).text).toBe(unauthorized);
      expect((await profileIdOf(third.token)).text).toBe(unauthorized);
      expect((await application.refresh(third)).text).toBe(unauthorized);
      expect((await lastEvent('oauth.token_family_revoked')).data.cause).toBe('refresh_token_reused');
    },
  );

  test('of many calls at once at most one gives tokens', async () => {
    const first = await granted();
    const answers = await Promise.all(Array.from({ length: 6 }, () => application.refresh(first)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    const given = answers.find(({ status }) => status === 200)!;
    expect((await profileIdOf(given.body.token)).text).toBe(unauthorized);
  });

  test('wants both tokens of one pair', async () => {
    const [one, two] = [await granted(), await granted()];
    expect((await application.refresh({ token: one.token, refreshToken: two.refreshToken })).text).toBe(unauthorized);
    expect((await application.refresh({ token: one.token, refreshToken: 'x'.repeat(43) })).text).toBe(unauthorized);
    expect((await application.refresh(one)).status).toBe(200);
    expect((await application.refresh(two)).status).toBe(200);
  });

  test('a token that has ended gets the one 401, whatever else is wrong', async () => {
    const first = await granted();
    await application.refresh(first);
    const headers = { authorization: `Basic ${first.token}` };
    const wrong = [
      {},
      { headers: { ...headers, 'content-type': 'text/plain' }, body: 'x' },
      { headers: { ...headers, 'content-type': 'application/json' }, body: '{' },
      { json: { refresh_token: 7 } },
    ];
    for (const request of wrong) {
      const { status, text } = await server.post(path, { headers, ...request });
      expect([status, text]).toEqual([401, unauthorized]);
    }
  });

  test('requires the refresh token', async () => {
    const { token } = await granted();
    const { status, body } = await server.post(path, { json: {}, headers: { authorization: `Basic ${token}` } });
    expect([status, body.code]).toEqual([422, 'validation_failed']);
  });
});

describe('9 Revoke authorization token', () => {
  const path = '/profile/revoke-authorization-token';
  let application: TestApplication;
  let other: TestApplication;
  beforeAll(async () => {
    application = await TestApplication.of(server, ada);
    other = await TestApplication.of(server, ada);
  });
  const revoke = (json: object, token: string) => server.post(path, { json, token });

  test('with applicationId ends all tokens of this application for me, and no others', async () => {
    const [mine, mineToo] = [await application.grantedBy(eve), await application.grantedBy(eve)];
    const [elsewhere, hers] = [await other.grantedBy(eve), await application.grantedBy(ada)];
    const code = await application.code(await application.consent(eve));
    const { applicationId } = application;
    const answer = await revoke({ applicationId }, eve.token);
    expect([answer.status, answer.body]).toEqual([200, { revoked: true }]);
    for (const { token } of [mine, mineToo]) expect((await profileIdOf(token)).text).toBe(unauthorized);
    expect((await application.refresh(mine)).text).toBe(unauthorized);
    const late = await application.call('/oauth-application/obtain-access-token', { authorization_code: code });
    expect(late.text).toBe(unauthorized);
    for (const { token } of [elsewhere, hers, eve]) expect((await profileIdOf(token)).status).toBe(200);
    expect(await lastEvent('profile.tokens_revoked')).toMatchObject({
      data: { profileId: eve.profileId, applicationId, exceptTokenId: null },
    });
    expect((await profileIdOf((await application.grantedBy(eve)).token)).status).toBe(200);
  });

  test('finds no application that has nothing to do with me', async () => {
    const zoe = await server.profile();
    const foreign = await revoke({ applicationId: application.applicationId }, zoe.token);
    const unknown = await revoke({ applicationId: zoe.profileId }, zoe.token);
    expect([foreign.status, foreign.text]).toEqual([404, unknown.text]);
    expect((await denied(path))[0].data).toMatchObject({ profileId: zoe.profileId, code: 'not_found' });
  });

  test('ends a single token of an application, with its refresh token', async () => {
    const pair = await application.grantedBy(eve);
    expect((await revoke({ authorizationToken: pair.token }, eve.token)).body).toEqual({ revoked: true });
    expect((await profileIdOf(pair.token)).text).toBe(unauthorized);
    expect((await application.refresh(pair)).text).toBe(unauthorized);
    expect((await revoke({ authorizationToken: pair.token }, eve.token)).status).toBe(404);
    expect((await lastEvent('profile.token_revoked')).data.profileId).toBe(eve.profileId);
  });

  test('an application ends its own tokens, and no others', async () => {
    const [one, two] = [await application.grantedBy(eve), await application.grantedBy(eve)];
    const elsewhere = await other.grantedBy(eve);
    for (const json of [
      { authorizationToken: eve.token },
      { authorizationToken: elsewhere.token },
      { authorizationToken: 'unknown' },
      { applicationId: other.applicationId },
    ]) {
      const { status, body } = await revoke(json, one.token);
      expect([status, body.code]).toEqual([403, 'oauth.scope_insufficient']);
    }
    expect((await denied(path))[0].data).toMatchObject({ code: 'oauth.scope_insufficient' });
    expect((await revoke({ authorizationToken: two.token }, one.token)).status).toBe(200);
    expect((await profileIdOf(two.token)).status).toBe(401);
    expect((await revoke({}, one.token)).status).toBe(200);
    expect((await profileIdOf(one.token)).status).toBe(401);
    const three = await application.grantedBy(eve);
    expect((await revoke({ applicationId: application.applicationId }, three.token)).status).toBe(200);
    expect((await profileIdOf(three.token)).status).toBe(401);
  });

  test('a new password ends what applications were granted as well', async () => {
    const zoe = await server.profile();
    const pair = await application.grantedBy(zoe);
    const passwords = { currentPassword: zoe.password, newPassword: 'seven quiet green rivers' };
    await server.done('/profile/change-password', passwords, zoe.token);
    expect((await profileIdOf(pair.token)).text).toBe(unauthorized);
    expect((await application.refresh(pair)).text).toBe(unauthorized);
    expect((await profileIdOf(zoe.token)).status).toBe(200);
  });
});

describe('an application acts for the profile', () => {
  let application: TestApplication;
  let device: TestDevice;
  beforeAll(async () => {
    application = await TestApplication.of(server, eve, ['data-token:read', 'data-token:write']);
    device = await TestDevice.of(server, ada);
    await device.connect();
  });
  afterAll(() => device.leave());

  test('and is named in everything that comes of it, also later', async () => {
    const { token } = await application.grantedBy(ada);
    const { applicationId } = application;
    const small = await reserve(token);
    await server.done(
      '/data-token/exchange-data-for-token',
      { temporaryTokenSpace: small.token, data: 'aGVsbG8=' },
      token,
    );
    const large = await reserve(token);
    const uploaded = await server.post(large.stream, { body: 'x'.repeat(70_000), wait: 30 });
    expect(uploaded.body.status).toBe('succeeded');
    for (const each of [small, large]) {
      const { body } = await server.done('/data-token/request-data', { token: each.token }, token);
      expect((await fetch(body.downloadUrl)).status).toBe(200);
    }
    await server.done('/data-token/delete-data', { token: small.token }, token);
    const types = [
      'data_token.space_reserved',
      'data_token.stream_auth_issued',
      'data_token.stream_received',
      'data_token.data_exchanged',
      'data_token.made_permanent',
      'data_token.data_requested',
      'data_token.data_ready',
      'data_token.data_downloaded',
      'data_token.deleted',
      'command.accepted',
      'command.cleared',
      'command.succeeded',
    ];
    const events = await eventually(types);
    for (const { type, meta } of events) {
      expect([type, meta.actor]).toEqual([type, { kind: 'application', applicationId, profileId: ada.profileId }]);
    }
  });

  test('sees the status of its own commands alone', async () => {
    const pair = await application.grantedBy(ada);
    const mine = await server.done('/data-token/reserve-token-space', { context: 'c' }, pair.token);
    const hers = await server.done('/data-token/reserve-token-space', { context: 'c' }, ada.token);
    const status = (commandId: string, token: string) => server.get(`/request-status/${commandId}`, { token });
    expect((await status(mine.commandId, pair.token)).status).toBe(200);
    expect((await status(mine.commandId, ada.token)).status).toBe(200);
    expect((await status(hers.commandId, pair.token)).status).toBe(404);
    const another = await (await TestApplication.of(server, eve)).grantedBy(ada);
    expect((await status(mine.commandId, another.token)).status).toBe(404);
  });

  test('its channel gets only messages of its own commands, and ends with its token', async () => {
    const pair = await application.grantedBy(ada);
    const profile = await TestSocket.join(server.url, ada.token);
    const channel = await TestSocket.join(server.url, pair.token);
    const hers = await server.done('/data-token/reserve-token-space', { context: 'c' }, ada.token);
    const its = await server.done('/data-token/reserve-token-space', { context: 'c' }, pair.token);
    await channel.end(its.commandId);
    await profile.end(hers.commandId);
    await profile.end(its.commandId);
    const told = channel.frames.filter(({ data }) => data?.type === 'X-DPT-CAB-ID').map(({ data }) => data.id);
    expect(told).toContain(its.commandId);
    expect(told).not.toContain(hers.commandId);

    await application.refresh(pair);
    const end = await channel.until((frame) => frame.status === 401);
    expect(end).toEqual({
      correlationId: null,
      status: 401,
      data: { channelId: expect.any(String), message: 'Channel closed: authorization ended.' },
    });
    await Promise.all([profile.close(), channel.close()]);
  });

  async function reserve(token: string): Promise<{ token: string; stream: string }> {
    const { commandId } = await server.done('/data-token/reserve-token-space', { context: 'c' }, token);
    return (await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, { token })).body;
  }

  /** Events of these types since the application came, once each type is there. */
  async function eventually(types: readonly string[]): Promise<Array<{ type: string; meta: any }>> {
    for (;;) {
      const { rows } = await server.database.pool.query(
        `select type, meta from es.event where type = any($1) and position >
           (select max(position) from es.event where type = 'oauth.access_token_issued') order by position`,
        [types],
      );
      const downloads = rows.filter(({ type }) => type === 'data_token.data_downloaded').length;
      if (types.every((type) => rows.some((row) => row.type === type)) && downloads === 2) return rows;
      await new Promise(setImmediate);
    }
  }
});

/** Last of all: commands of the time before are forgotten then. */
describe('30 days later', () => {
  test('a refresh token is over, and says nothing about who has it', async () => {
    const application = await TestApplication.of(server, ada);
    const pair = await application.grantedBy(eve);
    clock.advance(30 * 24 * 3600);
    const before = await lastEvent('oauth.token_family_revoked');
    expect((await application.refresh(pair)).text).toBe(unauthorized);
    expect(await lastEvent('oauth.token_family_revoked')).toEqual(before);
  });
});
