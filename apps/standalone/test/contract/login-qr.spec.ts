import { ManualClock } from '@symbolon/kernel';
import { password, TestServer } from '@symbolon/testing';

const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/;
const unauthorized =
  '{"type":"urn:symbolon:problem:unauthorized","title":"Unauthorized","status":401,"detail":"The request carries no valid credentials.","code":"unauthorized"}';
const path = '/profile/reauthorize-authorization-token';

let server: TestServer;
const clock = new ManualClock(Date.now());

beforeAll(async () => {
  server = await TestServer.start({ clock });
});

afterAll(() => server.stop());

async function qrOf(token: string): Promise<string> {
  const { status, body } = await server.post('/profile/generate-token-qr', { token });
  expect(status).toBe(200);
  return body.qrToken;
}

const show = (qrToken: unknown, more: object = {}) => server.post(path, { json: { ttl: 600, qrToken, ...more } });
const whoIs = async (token: string) => (await server.get('/profile/retrieve-profile-id', { token })).body.profileId;

describe('7 Generate qr token', () => {
  test('answers a token of 43 characters that lives 120 seconds', async () => {
    const { token, profileId } = await server.profile({ withKey: false });
    const { status, body } = await server.post('/profile/generate-token-qr', { token });
    expect(status).toBe(200);
    expect(body).toEqual({
      qrToken: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
      expiresAt: expect.stringMatching(time),
    });
    expect(Math.ceil((Date.parse(body.expiresAt) - clock.millis()) / 1000)).toBe(120);

    const { rows } = await server.database.pool.query(
      `select stream, data, meta from es.event where type = 'profile.qr_token_generated' order by position desc limit 1`,
    );
    const { sealed, ...data } = rows[0].data;
    expect(data).toEqual({
      profileId,
      qrTokenHash: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
      expiresAt: expect.any(String),
      tokenId: expect.any(String),
    });
    expect(Object.keys(sealed)).toEqual([profileId]);
    expect(JSON.stringify(rows)).not.toContain(body.qrToken);
    expect(rows[0].meta).toMatchObject({ commandId: null, actor: { profileId, kind: 'user' } });
  });

  test('is for profiles with a token, not for devices', async () => {
    expect((await server.post('/profile/generate-token-qr')).text).toBe(unauthorized);
    const ada = await server.profile();
    const { commandId } = await server.done('/device/request-unique-identifier', { deviceName: 'attic' }, ada.token);
    const json = { id: commandId };
    const login = (await server.post('/device/retrieve-unique-identifier', { json, token: ada.token })).body;
    const token = await server.login(login.username, login.password);
    const { status, body } = await server.post('/profile/generate-token-qr', { token });
    expect([status, body.code]).toEqual([403, 'profile.device_not_allowed']);
  });
});

describe('8 Reauthorize with a qrToken', () => {
  test('gives a new token of the profile that made it, for so many seconds, without a token of its own', async () => {
    const { token, profileId } = await server.profile({ withKey: false });
    const { status, body } = await show(await qrOf(token));
    expect(status).toBe(200);
    expect(body).toEqual({
      authorizationToken: expect.stringMatching(/^T-[A-Za-z0-9_-]{43}$/),
      expiresAt: expect.stringMatching(time),
    });
    expect(body.authorizationToken).not.toBe(token);
    expect(Math.ceil((Date.parse(body.expiresAt) - clock.millis()) / 1000)).toBe(600);
    expect(await whoIs(body.authorizationToken)).toBe(profileId);
    expect(await whoIs(token)).toBe(profileId);

    const { rows } = await server.database.pool.query(
      `select data from es.event where type = 'profile.authenticated' and data->>'profileId' = $1 order by position`,
      [profileId],
    );
    expect(rows.map(({ data }) => data.via)).toEqual(['password', 'qr']);
    clock.advance(601);
    expect(await whoIs(body.authorizationToken)).toBeUndefined();
  });

  test('works once, also for many at the same time', async () => {
    const { token } = await server.profile({ withKey: false });
    const qrToken = await qrOf(token);
    const answers = await Promise.all(Array.from({ length: 8 }, () => show(qrToken)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    for (const { status, text } of answers) if (status !== 200) expect([status, text]).toEqual([401, unauthorized]);
    expect((await show(qrToken)).text).toBe(unauthorized);
  });

  test('is over after 120 seconds', async () => {
    const { token } = await server.profile({ withKey: false });
    const [early, late] = [await qrOf(token), await qrOf(token)];
    clock.advance(119);
    expect((await show(early)).status).toBe(200);
    clock.advance(1);
    expect((await show(late)).text).toBe(unauthorized);
  });

  test('ends with the token that made it', async () => {
    const { token, username } = await server.profile({ withKey: false });
    const stolen = await server.login(username);
    const [revoked, kept] = [await qrOf(stolen), await qrOf(token)];
    const json = { currentPassword: password, newPassword: 'short yellow oak table' };
    expect((await server.post('/profile/change-password', { token, json, wait: 30 })).body.status).toBe('succeeded');
    expect((await show(revoked)).text).toBe(unauthorized);
    expect((await show(kept)).status).toBe(200);
  });

  test.each([
    ['an unknown one', 'A'.repeat(43)],
    ['a short one', 'x'],
    ['an authorization token', null],
  ])('refuses %s', async (_, qrToken) => {
    const { token } = await server.profile({ withKey: false });
    expect((await show(qrToken ?? token)).text).toBe(unauthorized);
  });

  test('counts before a token that is sent as well, also a bad one', async () => {
    const one = await server.profile({ withKey: false });
    const other = await server.profile({ withKey: false });
    for (const token of [other.token, 'T-wrong']) {
      const { status, body } = await server.post(path, { token, json: { ttl: 60, qrToken: await qrOf(one.token) } });
      expect([status, await whoIs(body.authorizationToken)]).toEqual([200, one.profileId]);
    }
  });

  test('asks for a ttl, and does not spend the token without', async () => {
    const { token } = await server.profile({ withKey: false });
    const qrToken = await qrOf(token);
    for (const ttl of [undefined, 59, 2_592_001, 'x']) {
      const { status, body } = await server.post(path, { json: { ttl, qrToken } });
      expect([status, Object.keys(body.errors)]).toEqual([422, ['ttl']]);
    }
    expect((await show(qrToken)).status).toBe(200);
  });

  test('without qrToken and without token answers 401 before anything else', async () => {
    for (const json of [{}, { ttl: 'x' }, { ttl: 60 }, { ttl: 60, qrToken: '' }, { ttl: 60, qrToken: null }]) {
      expect((await server.post(path, { json })).text).toBe(unauthorized);
    }
    expect((await server.post(path)).text).toBe(unauthorized);
  });

  test('a device prolongs its own token', async () => {
    const ada = await server.profile();
    const { commandId } = await server.done('/device/request-unique-identifier', { deviceName: 'attic' }, ada.token);
    const json = { id: commandId };
    const login = (await server.post('/device/retrieve-unique-identifier', { json, token: ada.token })).body;
    const token = await server.login(login.username, login.password);
    expect((await server.post(path, { token, json: { ttl: 60 } })).body.authorizationToken).toBe(token);
  });

  test('a command that nobody knows is spent', async () => {
    const { token, username } = await server.profile({ withKey: false });
    const commandId = '0193b4c6-1f2e-7a41-b7d5-2c9e4a6f8b10';
    const answers = [
      await show(await qrOf(token), { commandId }),
      await server.post(path, { token, json: { ttl: 60, commandId } }),
      await server.post('/profile/authenticate', { json: { username, password, commandId } }),
    ];
    for (const { status, body } of answers) expect([status, body.code]).toEqual([409, 'profile.login_spent']);
  });
});
