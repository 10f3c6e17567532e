import { ManualClock } from '@symbolon/kernel';
import { password, ScriptedVoting, type TestProfile, TestServer, TestSocket, withoutVoting } from '@symbolon/testing';

const token43 = /^T-[A-Za-z0-9_-]{43}$/;
const reauthorize = '/profile/reauthorize-authorization-token';

let server: TestServer;
let voting: ScriptedVoting;
let ada: TestProfile;
const clock = new ManualClock(Date.now());

beforeAll(async () => {
  server = await TestServer.start({ clock, contexts: withoutVoting });
  voting = new ScriptedVoting(server);
});
beforeEach(async () => {
  ada = await server.profile();
  await voting.authenticator(ada.profileId);
});
afterAll(() => server.stop());

/** An active policy of ada's; answers its id. */
async function guard(applyingEventIds: readonly string[], configuration: object = {}): Promise<string> {
  const fields = { policyTemplateId: 'authentication', applyingEventIds, configuration };
  const { id } = (await server.done('/policy/register', fields, ada.token)).body;
  await server.done('/policy/activate', { policyId: id }, ada.token);
  return id;
}

const login = (more: object = {}, wait?: number, secret = password) =>
  server.post('/profile/authenticate', {
    json: { username: ada.username, password: secret, ...more },
    ...(wait === undefined ? {} : { wait }),
  });

/** A login that a policy holds. */
async function heldLogin(): Promise<string> {
  const { status, body, headers } = await login();
  expect([status, body.status]).toEqual([202, 'started']);
  expect(headers.get('x-dpt-cab-id')).toBe(body.commandId);
  expect(headers.get('location')).toBe(`/request-status/${body.commandId}`);
  return body.commandId;
}

const ended = async (commandId: string) => (await server.get(`/request-status/${commandId}`, { wait: 30 })).body;
const whoIs = async (token: string) => (await server.get('/profile/retrieve-profile-id', { token })).body.profileId;
const via = async () =>
  (
    await server.database.pool.query(
      `select data from es.event where type = 'profile.authenticated' and data->>'profileId' = $1 order by position desc`,
      [ada.profileId],
    )
  ).rows[0].data.via;

describe('4 a login that a policy holds', () => {
  beforeEach(() => guard(['profile.authenticate']));

  test('waits for the vote; then the same call with commandId gives the token, once', async () => {
    const socket = await TestSocket.join(server.url, ada.token);
    const commandId = await heldLogin();
    const early = await login({ commandId });
    expect([early.status, early.body]).toEqual([202, { commandId, status: 'started' }]);

    // Issued without a token: its status can be read without one, and shows none.
    await voting.vote(commandId, 'succeeded');
    const status = await ended(commandId);
    expect(status).toMatchObject({ type: 'profile/authenticate', status: 'succeeded', body: null, reason: null });
    expect((await server.post(`/request-status/${commandId}`)).body).toBe('succeeded');
    expect(await socket.end(commandId)).toMatchObject({ command_status: 2, body: null });
    await socket.close();

    const { status: code, body } = await login({ commandId });
    expect(code).toBe(200);
    expect(body).toEqual({ authorizationToken: expect.stringMatching(token43), expiresAt: expect.any(String) });
    expect(await whoIs(body.authorizationToken)).toBe(ada.profileId);
    expect(await via()).toBe('vote');
    const again = await login({ commandId });
    expect([again.status, again.body.code]).toEqual([409, 'profile.login_spent']);
  });

  test('of many who fetch the token at once one gets it', async () => {
    const commandId = await heldLogin();
    await voting.vote(commandId, 'succeeded');
    await ended(commandId);
    const answers = await Promise.all(Array.from({ length: 6 }, () => login({ commandId })));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409, 409, 409]);
    const won = answers.find(({ status }) => status === 200)!;
    expect(await whoIs(won.body.authorizationToken)).toBe(ada.profileId);
  });

  test('the token can be fetched for five minutes', async () => {
    const commandId = await heldLogin();
    await voting.vote(commandId, 'succeeded');
    await ended(commandId);
    clock.advance(400);
    const late = await login({ commandId });
    expect([late.status, late.body.code]).toEqual([409, 'profile.login_spent']);
    clock.advance(-400);
    expect((await login({ commandId })).status).toBe(200);
  });

  test.each([
    ['rejected', 'poll.rejected'],
    ['timed_out', 'poll.timed_out'],
    ['failed_quorum', 'poll.quorum_not_met'],
    ['cancelled', 'poll.cancelled'],
  ] as const)('after a vote that ended as %s it is refused with that reason', async (outcome, reason) => {
    const commandId = await heldLogin();
    await voting.vote(commandId, outcome);
    expect((await ended(commandId)).reason).toBe(reason);
    for (let call = 1; call <= 2; call++) {
      const { status, body } = await login({ commandId });
      expect([status, body.code]).toEqual([403, reason]);
    }
  });

  test('with Prefer: wait the token comes with the vote', async () => {
    const answer = login({}, 30);
    const held = await voting.seen('command', ...(await pendingOf(ada.profileId)));
    const { commandId } = held.data as { commandId: string };
    await voting.vote(commandId, 'succeeded');
    const { status, body, headers } = await answer;
    expect([status, headers.get('preference-applied')]).toEqual([200, 'wait']);
    expect(headers.get('x-dpt-cab-id')).toBe(commandId);
    expect(await whoIs(body.authorizationToken)).toBe(ada.profileId);
    expect(await via()).toBe('vote');
    expect((await login({ commandId })).status).toBe(409);
  });

  test('with Prefer: wait a rejection is told like that of any command', async () => {
    const answer = login({}, 30);
    const held = await voting.seen('command', ...(await pendingOf(ada.profileId)));
    const { commandId } = held.data as { commandId: string };
    await voting.vote(commandId, 'rejected');
    const { status, body } = await answer;
    expect([status, body.status, body.reason]).toEqual([200, 'rejected', 'poll.rejected']);
  });

  test('with Prefer: wait that is over first it answers 202, also when it is repeated', async () => {
    const first = await login({}, 1);
    expect([first.status, first.body.status]).toEqual([202, 'started']);
    const { commandId } = first.body;
    const again = await login({ commandId }, 1);
    expect([again.status, again.body]).toEqual([202, { commandId, status: 'started' }]);
    const third = login({ commandId }, 30);
    await voting.vote(commandId, 'succeeded');
    expect((await third).body.authorizationToken).toMatch(token43);
  });

  test('a wrong password is a failed login and asks nobody', async () => {
    const counted = async () =>
      (
        await server.database.pool.query(
          `select count(*)::int as n from es.event where type = 'command.accepted' and data->>'profileId' = $1`,
          [ada.profileId],
        )
      ).rows[0].n;
    const before = await counted();
    expect((await login({}, undefined, 'not the right one')).status).toBe(401);
    expect(await counted()).toBe(before);
    const commandId = await heldLogin();
    await voting.vote(commandId, 'succeeded');
    await ended(commandId);
    expect((await login({ commandId }, undefined, 'not the right one')).status).toBe(401);
    expect((await login({ commandId })).status).toBe(200);
  });

  test('finishes no login of somebody else, and no other command', async () => {
    const commandId = await heldLogin();
    await voting.vote(commandId, 'succeeded');
    await ended(commandId);
    const eve = await server.profile({ withKey: false });
    const foreign = await server.post('/profile/authenticate', {
      json: { username: eve.username, password, commandId },
    });
    expect([foreign.status, foreign.body.code]).toEqual([409, 'profile.login_spent']);
    const { commandId: other } = await server.done(
      '/policy/register',
      {
        policyTemplateId: 'authentication',
        applyingEventIds: ['profile.authenticate'],
      },
      ada.token,
    );
    expect((await login({ commandId: other })).body.code).toBe('profile.login_spent');
    expect((await login({ commandId })).status).toBe(200);
  });

  test('the logins of a device are judged by the policies of its owner', async () => {
    const { commandId: id } = await server.done('/device/request-unique-identifier', { deviceName: 'x' }, ada.token);
    const shown = (await server.post('/device/retrieve-unique-identifier', { json: { id }, token: ada.token })).body;
    const json = { username: shown.username, password: shown.password };
    const { status, body } = await server.post('/profile/authenticate', { json });
    expect([status, body.status]).toEqual([202, 'started']);
    const gate = await voting.vote(body.commandId, 'succeeded');
    expect(gate.data.profileId).toBe(ada.profileId);
    await ended(body.commandId);
    const done = await server.post('/profile/authenticate', { json: { ...json, commandId: body.commandId } });
    expect(await whoIs(done.body.authorizationToken)).toBe(shown.deviceIdentifier);
  });
});

/** Stream and type of the event by which the profile's newest login waits. */
async function pendingOf(profileId: string): Promise<[string, string]> {
  for (;;) {
    const { rows } = await server.database.pool.query(
      `select stream from es.event where type = 'command.accepted' and data->>'profileId' = $1
          and data->>'commandType' = 'profile/authenticate'`,
      [profileId],
    );
    if (rows[0]) return [rows[0].stream, 'command.pending_vote'];
    await new Promise(setImmediate);
  }
}

describe('4 a login that no policy holds', () => {
  test('answers at once, though a policy names it', async () => {
    await guard(['profile.authenticate'], { exceptAddresses: ['127.0.0.0/8', '::1'] });
    const { status, body } = await login();
    expect(status).toBe(200);
    expect(await whoIs(body.authorizationToken)).toBe(ada.profileId);
    expect(await via()).toBe('password');
  });

  test('answers at once under a policy for something else', async () => {
    await guard(['profile.reauthorize']);
    expect((await login()).status).toBe(200);
  });
});

describe('8 under a policy', () => {
  const expiry = async (token = ada.token) =>
    Date.parse((await server.post('/profile/authorization-token/expiry', { token })).body.expiresAt);

  test('a token is prolonged once the vote has succeeded', async () => {
    await guard(['profile.reauthorize']);
    const before = await expiry();
    const { status, body } = await server.post(reauthorize, { token: ada.token, json: { ttl: 600 } });
    expect([status, body.status]).toEqual([202, 'started']);
    const { commandId } = body;
    expect(await expiry()).toBe(before);
    const again = (json: object) => server.post(reauthorize, { token: ada.token, json: { ttl: 600, ...json } });
    expect([(await again({ commandId })).status, (await server.get(`/request-status/${commandId}`)).status]).toEqual([
      202, 401,
    ]);
    await voting.vote(commandId, 'succeeded');
    await server.get(`/request-status/${commandId}`, { token: ada.token, wait: 30 });
    expect(Math.ceil(((await expiry()) - clock.millis()) / 1000)).toBe(600);
    const { status: done, body: answer } = await again({ commandId });
    expect([done, answer.authorizationToken]).toEqual([200, ada.token]);
  });

  test('after a rejection the expiry stays, and the reason is told', async () => {
    await guard(['profile.reauthorize']);
    const before = await expiry();
    const { commandId } = (await server.post(reauthorize, { token: ada.token, json: { ttl: 600 } })).body;
    await voting.vote(commandId, 'rejected');
    await server.get(`/request-status/${commandId}`, { token: ada.token, wait: 30 });
    const { status, body } = await server.post(reauthorize, { token: ada.token, json: { ttl: 600, commandId } });
    expect([status, body.code]).toEqual([403, 'poll.rejected']);
    expect(await expiry()).toBe(before);
  });

  test('with Prefer: wait the answer is the ordinary one', async () => {
    await guard(['profile.reauthorize']);
    const answer = server.post(reauthorize, { token: ada.token, json: { ttl: 600 }, wait: 30 });
    const { rows } = await untilRows(
      `select data->>'commandId' as id from es.event where type = 'command.accepted' and data->>'profileId' = $1
          and data->>'commandType' = 'profile/reauthorize-authorization-token'`,
      [ada.profileId],
    );
    await voting.vote(rows[0].id, 'succeeded');
    const { status, body } = await answer;
    expect([status, body.authorizationToken]).toEqual([200, ada.token]);
  });

  test('a login by QR token is one of profile.authenticate, finished with the same QR token and commandId', async () => {
    const { qrToken } = (await server.post('/profile/generate-token-qr', { token: ada.token })).body;
    const { qrToken: another } = (await server.post('/profile/generate-token-qr', { token: ada.token })).body;
    await guard(['profile.authenticate']);
    const show = (json: object) => server.post(reauthorize, { json: { ttl: 900, qrToken, ...json } });
    const { status, body } = await show({});
    expect([status, body.status]).toEqual([202, 'started']);
    const { commandId } = body;
    expect([(await show({ commandId })).status, (await show({})).status]).toEqual([202, 401]);
    const other = await show({ qrToken: another, commandId });
    expect([other.status, other.body.code]).toEqual([409, 'profile.login_spent']);

    // The vote may take longer than a QR token lives.
    clock.advance(200);
    await voting.vote(commandId, 'succeeded');
    expect((await ended(commandId)).type).toBe('profile/reauthorize-authorization-token');
    // Of no longer a life than was voted on.
    const { status: done, body: answer } = await show({ commandId, ttl: 2_592_000 });
    expect(done).toBe(200);
    expect(await whoIs(answer.authorizationToken)).toBe(ada.profileId);
    const lives = Date.parse(answer.expiresAt) - clock.millis();
    expect([lives > 890_000, lives <= 900_000]).toEqual([true, true]);
    expect(await via()).toBe('vote');
    const spent = await show({ commandId });
    expect([spent.status, spent.body.code]).toEqual([409, 'profile.login_spent']);
  });

  test('a login by QR token that is voted down is refused', async () => {
    const { qrToken } = (await server.post('/profile/generate-token-qr', { token: ada.token })).body;
    await guard(['profile.authenticate']);
    const { commandId } = (await server.post(reauthorize, { json: { ttl: 900, qrToken } })).body;
    await voting.vote(commandId, 'rejected');
    await ended(commandId);
    const { status, body } = await server.post(reauthorize, { json: { ttl: 900, qrToken, commandId } });
    expect([status, body.code]).toEqual([403, 'poll.rejected']);
  });
});

async function untilRows(sql: string, values: unknown[]) {
  for (;;) {
    const found = await server.database.pool.query(sql, values);
    if (found.rows.length > 0) return found;
    await new Promise(setImmediate);
  }
}
