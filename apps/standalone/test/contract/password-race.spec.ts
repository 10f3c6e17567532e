import { password, type TestProfile, TestServer } from '@symbolon/testing';

let server: TestServer;
let ada: TestProfile;

beforeAll(async () => {
  server = await TestServer.start();
});

beforeEach(async () => {
  ada = await server.profile({ withKey: false });
});

afterAll(() => server.stop());

const change = (token: string, newPassword: string) =>
  server.post('/profile/change-password', { token, json: { currentPassword: password, newPassword }, wait: 30 });
const authenticate = (username: string, text: string) =>
  server.post('/profile/authenticate', { json: { username, password: text } });
const isLive = async (token: string) => (await server.get('/profile/retrieve-profile-id', { token })).status === 200;

test('4 and 6: no login with the old password outlives the change', async () => {
  const changed = change(ada.token, 'short yellow oak table');
  const logins = Array.from({ length: 12 }, () => authenticate(ada.username, password));
  expect((await changed).body.status).toBe('succeeded');
  const answers = await Promise.all(logins);
  for (const { status, body } of answers) {
    expect([200, 401]).toContain(status);
    if (status === 200) expect(await isLive(body.authorizationToken)).toBe(false);
  }
  expect(await isLive(ada.token)).toBe(true);
  expect((await authenticate(ada.username, 'short yellow oak table')).status).toBe(200);
});

test('6: of changes that come at once one succeeds, and its password is the one', async () => {
  const wanted = [1, 2, 3, 4].map((number) => `short yellow oak table ${number}`);
  const answers = await Promise.all(wanted.map((text) => change(ada.token, text)));
  const outcomes = answers.map(({ body }) => body.reason ?? body.status).sort();
  const wrong = 'profile.invalid_current_password';
  expect(outcomes).toEqual([wrong, wrong, wrong, 'succeeded']);
  const logins = await Promise.all(wanted.map((text) => authenticate(ada.username, text)));
  expect(logins.map(({ status }) => status === 200)).toEqual(answers.map(({ body }) => body.status === 'succeeded'));
});

test('7 and 6: what a QR token brings ends with the token that made it', async () => {
  const other = await server.login(ada.username);
  const { qrToken } = (await server.post('/profile/generate-token-qr', { token: other })).body;
  const shown = () => server.post('/profile/reauthorize-authorization-token', { json: { ttl: 3600, qrToken } });
  const [{ body }, ...answers] = await Promise.all([
    change(ada.token, 'short yellow oak table'),
    ...Array.from({ length: 6 }, shown),
  ]);
  expect(body.status).toBe('succeeded');
  for (const { status, body } of answers) if (status === 200) expect(await isLive(body.authorizationToken)).toBe(false);
  expect((await shown()).status).toBe(401);
});
