import { ManualClock } from '@symbolon/kernel';
import { password, TestServer } from '@symbolon/testing';

const uuid7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/;
const unauthorized =
  '{"type":"urn:symbolon:problem:unauthorized","title":"Unauthorized","status":401,"detail":"The request carries no valid credentials.","code":"unauthorized"}';

let server: TestServer;
const clock = new ManualClock(Date.now());

beforeAll(async () => {
  server = await TestServer.start({ clock });
});

afterAll(() => server.stop());

describe('3 Register new profile', () => {
  test('answers 202 with the command id in body and headers, then succeeds with the profile id', async () => {
    const answer = await server.post('/profile/register-profile', { form: { username: 'row3@example.org', password } });
    expect(answer.status).toBe(202);
    expect(answer.body).toEqual({ commandId: expect.stringMatching(uuid7), status: 'started' });
    const { commandId } = answer.body;
    expect(answer.headers.get('x-dpt-cab-id')).toBe(commandId);
    expect(answer.headers.get('location')).toBe(`/request-status/${commandId}`);
    expect(answer.headers.get('cache-control')).toBe('no-store');

    const status = await server.get(`/request-status/${commandId}`, { wait: 10 });
    expect(status.status).toBe(200);
    expect(status.body).toEqual({
      commandId,
      type: 'profile/register-profile',
      status: 'succeeded',
      command_status: 2,
      reason: null,
      body: { profileId: expect.stringMatching(uuid7) },
      createdAt: expect.stringMatching(time),
      updatedAt: expect.stringMatching(time),
    });
  });

  test('with Prefer: wait answers 200 with the status object and Preference-Applied', async () => {
    const answer = await server.post('/profile/register-profile', {
      json: { username: 'waits@example.org', password },
      wait: 10,
    });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('preference-applied')).toBe('wait');
    expect(answer.headers.get('x-dpt-cab-id')).toBe(answer.body.commandId);
    expect(answer.body.status).toBe('succeeded');
  });

  test('rejects a username in use, whatever its case and form', async () => {
    await server.done('/profile/register-profile', { username: 'Straße@example.org', password });
    for (const username of ['straße@example.org', 'STRAßE@EXAMPLE.ORG', 'ｓtraße@example.org']) {
      const { status, body } = await server.post('/profile/register-profile', {
        json: { username, password },
        wait: 10,
      });
      expect([status, body.status, body.reason]).toEqual([200, 'rejected', 'profile.username_taken']);
    }
  });

  test('lets one of many that race for a name win', async () => {
    const answers = await Promise.all(
      Array.from({ length: 12 }, () =>
        server.post('/profile/register-profile', { json: { username: 'race@example.org', password }, wait: 30 }),
      ),
    );
    const outcomes = answers.map(({ body }) => body.reason ?? body.status).sort();
    expect(outcomes).toEqual([...Array<string>(11).fill('profile.username_taken'), 'succeeded']);
  });

  test.each([
    ['a missing username', { password }, 'username'],
    ['a missing password', { username: 'someone' }, 'password'],
    ['a null password', { username: 'someone', password: null }, 'password'],
    ['a short username', { username: 'ab', password }, 'username'],
    ['a long username', { username: 'a'.repeat(255), password }, 'username'],
    ['white space at the end', { username: 'someone ', password }, 'username'],
    ['white space at the start', { username: ' someone', password }, 'username'],
    ['a control character', { username: 'some\u0007one', password }, 'username'],
    ['a short password', { username: 'someone', password: '1234567' }, 'password'],
    ['a long password', { username: 'someone', password: 'x'.repeat(257) }, 'password'],
    ['the username as password', { username: 'someone@example.org', password: 'Someone@example.org' }, 'password'],
    ['a common password', { username: 'someone', password: 'password1' }, 'password'],
    ['half a character', { username: 'some\ud800one', password }, 'username'],
  ])('refuses %s with 422 and names the field', async (_, json, field) => {
    const { status, body, headers } = await server.post('/profile/register-profile', { json });
    expect([status, body.code]).toEqual([422, 'validation_failed']);
    expect(headers.get('content-type')).toContain('application/problem+json');
    expect(Object.keys(body.errors)).toEqual([field]);
  });

  test('counts code points, not bytes', async () => {
    await server.done('/profile/register-profile', { username: '🦊🦊🦊', password: '🗝️🗝️🗝️🗝️' });
  });

  test('repeats the first answer under an Idempotency-Key and refuses other fields', async () => {
    const headers = { 'idempotency-key': 'register-1' };
    const first = await server.post('/profile/register-profile', {
      json: { username: 'idem', password },
      headers,
      wait: 10,
    });
    const again = await server.post('/profile/register-profile', {
      form: { username: 'idem', password },
      headers,
      wait: 10,
    });
    expect(again.body.commandId).toBe(first.body.commandId);
    expect(again.body.status).toBe('succeeded');
    const other = await server.post('/profile/register-profile', {
      json: { username: 'idem', password: `${password}!` },
      headers,
    });
    expect([other.status, other.body.code]).toEqual([422, 'idempotency.key_reused']);
  });
});

describe('4 Authenticate', () => {
  test('answers a token and its expiry', async () => {
    const { username } = await server.profile();
    const { status, body } = await server.post('/profile/authenticate', { form: { username, password } });
    expect(status).toBe(200);
    expect(body).toEqual({
      authorizationToken: expect.stringMatching(/^T-[A-Za-z0-9_-]{43}$/),
      expiresAt: expect.stringMatching(time),
    });
    expect(Date.parse(body.expiresAt) - clock.millis()).toBeGreaterThan(86_300_000);
  });

  test('answers a wrong password and an unknown name byte for byte alike', async () => {
    const { username } = await server.profile();
    const wrong = await server.post('/profile/authenticate', { json: { username, password: 'not the right one' } });
    const unknown = await server.post('/profile/authenticate', {
      json: { username: 'nobody@example.org', password: 'not the right one' },
    });
    expect(wrong.status).toBe(401);
    expect(wrong.text).toBe(unauthorized);
    expect(unknown.status).toBe(401);
    expect(unknown.text).toBe(unauthorized);
  });

  test.each([true, false])(
    'locks a pair from the fifth failure on, longer each time (known name: %s)',
    async (known) => {
      const username = known ? (await server.profile()).username : `ghost-${process.pid}@example.org`;
      const attempt = (secret: string) =>
        server.post('/profile/authenticate', { json: { username, password: secret } });
      for (let failure = 1; failure <= 5; failure++) expect((await attempt('wrong password')).status).toBe(401);

      const locked = await attempt(password);
      expect([locked.status, locked.body.code]).toEqual([429, 'profile.login_locked']);
      expect(locked.headers.get('retry-after')).toBe('1');

      clock.advance(1.1);
      expect((await attempt('wrong password')).status).toBe(401);
      expect((await attempt(password)).headers.get('retry-after')).toBe('2');

      clock.advance(3700);
      expect((await attempt('wrong password')).status).toBe(401);
      expect((await attempt(known ? password : 'wrong password')).status).toBe(known ? 200 : 401);
    },
  );

  test('attempts while locked do not count, a success clears the count, and other names are free', async () => {
    const { username, token } = await server.profile({ withKey: false });
    const other = await server.profile({ withKey: false });
    const attempt = (secret: string) => server.post('/profile/authenticate', { json: { username, password: secret } });
    for (let failure = 1; failure <= 5; failure++) await attempt('wrong password');
    for (let ignored = 1; ignored <= 3; ignored++) {
      expect((await attempt('wrong password')).headers.get('retry-after')).toBe('1');
    }
    const fields = { currentPassword: password, newPassword: 'short yellow oak table' };
    const change = await server.post('/profile/change-password', { token, json: fields });
    expect([change.status, change.body.code]).toEqual([429, 'profile.login_locked']);
    await server.login(other.username);
    clock.advance(1);
    await server.login(username);
    for (let failure = 1; failure <= 4; failure++) expect((await attempt('wrong password')).status).toBe(401);
    await server.login(username);
  });

  test('many guesses at once are no way round the lock', async () => {
    const { username } = await server.profile({ withKey: false });
    const answers = await Promise.all(
      Array.from({ length: 12 }, () =>
        server.post('/profile/authenticate', {
          json: { username: username.toUpperCase(), password: 'wrong password' },
        }),
      ),
    );
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(5);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(7);
  });

  test('the longest lock is 900 seconds', async () => {
    const json = { username: 'patient@example.org', password: 'wrong password' };
    const attempt = () => server.post('/profile/authenticate', { json });
    for (let failure = 1; failure <= 16; failure++) {
      expect((await attempt()).status).toBe(401);
      const locked = failure < 5 ? 0 : Math.min(2 ** (failure - 5), 900);
      if (locked === 0) continue;
      const { status, headers } = await attempt();
      expect([status, headers.get('retry-after')]).toEqual([429, String(locked)]);
      clock.advance(locked);
    }
  });

  test('is refused without fields', async () => {
    const { status, body } = await server.post('/profile/authenticate');
    expect([status, Object.keys(body.errors).sort()]).toEqual([422, ['password', 'username']]);
  });
});

describe('5 Retrieve profile id', () => {
  test('answers the profile of the token, by either header', async () => {
    const { profileId, token } = await server.profile({ withKey: false });
    expect((await server.get('/profile/retrieve-profile-id', { token })).body).toEqual({ profileId });
    const bearer = await server.get('/profile/retrieve-profile-id', { headers: { authorization: `Bearer ${token}` } });
    expect(bearer.body).toEqual({ profileId });
  });

  test('lets X-DPT-AUTHORIZATION count before Authorization', async () => {
    const { token } = await server.profile({ withKey: false });
    const headers = { authorization: `Bearer ${token}`, 'x-dpt-authorization': 'T-wrong' };
    expect((await server.get('/profile/retrieve-profile-id', { headers })).status).toBe(401);
  });

  test('answers every bad token byte for byte alike', async () => {
    for (const token of [undefined, '', 'T-', `T-${'A'.repeat(43)}`, 'x'.repeat(5000)]) {
      const { status, text } = await server.get('/profile/retrieve-profile-id', { token });
      expect([status, text]).toEqual([401, unauthorized]);
    }
  });
});

describe('6 Change password', () => {
  test('changes it, ends the other tokens and keeps the calling one', async () => {
    const { username, token, profileId } = await server.profile();
    const other = await server.login(username);
    const changed = await server.done(
      '/profile/change-password',
      { currentPassword: password, newPassword: 'short yellow oak table' },
      token,
    );
    expect(changed.body).toEqual({ profileId });
    expect((await server.get('/profile/retrieve-profile-id', { token })).status).toBe(200);
    expect((await server.get('/profile/retrieve-profile-id', { token: other })).status).toBe(401);
    expect((await server.post('/profile/authenticate', { json: { username, password } })).status).toBe(401);
    await server.login(username, 'short yellow oak table');
  });

  test('is rejected with a wrong current password, which counts as a failed login', async () => {
    const { username, token } = await server.profile();
    const change = () =>
      server.post('/profile/change-password', {
        token,
        json: { currentPassword: 'not the right one', newPassword: 'short yellow oak table' },
        wait: 10,
      });
    const first = await change();
    expect([first.status, first.body.reason]).toEqual([200, 'profile.invalid_current_password']);
    for (let failure = 2; failure <= 5; failure++) await change();
    const locked = await server.post('/profile/authenticate', { json: { username, password } });
    expect([locked.status, locked.body.code]).toEqual([429, 'profile.login_locked']);
  });

  test.each([
    ['the same password', { currentPassword: password, newPassword: password }],
    ['a common password', { currentPassword: password, newPassword: 'iloveyou1' }],
    ['a short password', { currentPassword: password, newPassword: 'short' }],
  ])('refuses %s with 422', async (_, json) => {
    const { token } = await server.profile({ withKey: false });
    const { status, body } = await server.post('/profile/change-password', { token, json });
    expect([status, Object.keys(body.errors)]).toEqual([422, ['newPassword']]);
  });
});

describe('8 Reauthorize authorization token', () => {
  test('prolongs the same token', async () => {
    const { token } = await server.profile({ withKey: false });
    const { status, body } = await server.post('/profile/reauthorize-authorization-token', {
      token,
      form: { ttl: '120' },
    });
    expect([status, body.authorizationToken]).toEqual([200, token]);
    expect(Date.parse(body.expiresAt) - clock.millis()).toBeLessThanOrEqual(120_000);
    clock.advance(121);
    expect((await server.get('/profile/retrieve-profile-id', { token })).text).toBe(unauthorized);
  });

  test.each(['59', '2592001', 'x', '60.5', ''])('refuses a ttl of %p', async (ttl) => {
    const { token } = await server.profile({ withKey: false });
    const { status, body } = await server.post('/profile/reauthorize-authorization-token', { token, form: { ttl } });
    expect([status, Object.keys(body.errors)]).toEqual([422, ['ttl']]);
  });
});

describe('9 Revoke authorization token', () => {
  test('ends the calling token at once', async () => {
    const { token } = await server.profile({ withKey: false });
    const { status, body } = await server.post('/profile/revoke-authorization-token', { token });
    expect([status, body]).toEqual([200, { revoked: true }]);
    expect((await server.get('/profile/retrieve-profile-id', { token })).text).toBe(unauthorized);
  });

  test('ends another token of mine', async () => {
    const { username, token } = await server.profile({ withKey: false });
    const other = await server.login(username);
    await server.post('/profile/revoke-authorization-token', { token, json: { authorizationToken: other } });
    expect((await server.get('/profile/retrieve-profile-id', { token: other })).status).toBe(401);
    expect((await server.get('/profile/retrieve-profile-id', { token })).status).toBe(200);
  });

  test('answers 404 for what is no live token or application of mine', async () => {
    const { token } = await server.profile({ withKey: false });
    const { token: foreign } = await server.profile({ withKey: false });
    for (const json of [
      { authorizationToken: foreign },
      { authorizationToken: 'T-unknown' },
      { applicationId: '0193b4c6-1f2e-7a41-b7d5-2c9e4a6f8b10' },
    ]) {
      const { status, body } = await server.post('/profile/revoke-authorization-token', { token, json });
      expect([status, body.code]).toEqual([404, 'not_found']);
    }
    expect((await server.get('/profile/retrieve-profile-id', { token: foreign })).status).toBe(200);
  });
});

describe('10 Retrieve token expiry', () => {
  test('answers when the token ends', async () => {
    const { token } = await server.profile({ withKey: false });
    const { status, body } = await server.post('/profile/authorization-token/expiry', { token });
    expect([status, body]).toEqual([200, { expiresAt: expect.stringMatching(time) }]);
  });
});
