import { Claims, Commands } from '@symbolon/command-log';
import { KeyStore } from '@symbolon/crypto';
import { ManualClock, Unavailable } from '@symbolon/kernel';
import { password, TestApplication, TestDevice, type TestProfile, TestServer, TestSocket } from '@symbolon/testing';

const path = '/profile/delete-account';
const unauthorized =
  '{"type":"urn:symbolon:problem:unauthorized","title":"Unauthorized","status":401,"detail":"The request carries no valid credentials.","code":"unauthorized"}';

let server: TestServer;
const clock = new ManualClock(Date.now());

beforeAll(async () => {
  server = await TestServer.start({ clock });
});

afterAll(() => server.stop());

const remove = (profile: Pick<TestProfile, 'token'>, secret = password, wait = 30) =>
  server.post(path, { token: profile.token, json: { password: secret }, wait });
const login = (username: string, secret = password) =>
  server.post('/profile/authenticate', { json: { username, password: secret } });
const who = (token: string) => server.get('/profile/retrieve-profile-id', { token });

async function typesOf(stream: string): Promise<string[]> {
  const { rows } = await server.database.pool.query('select type from es.event where stream = $1 order by revision', [
    stream,
  ]);
  return rows.map(({ type }) => type);
}

/** Waits until the query finds something. */
async function found(sql: string, values: unknown[]): Promise<any[]> {
  for (;;) {
    const { rows } = await server.database.pool.query(sql, values);
    if (rows.length > 0) return rows;
    await new Promise(setImmediate);
  }
}

/** A permanent data token of the profile. */
async function store({ token }: TestProfile): Promise<string> {
  const { commandId } = await server.done('/data-token/reserve-token-space', { context: 'a context' }, token);
  const space = await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, { token });
  const fields = { temporaryTokenSpace: space.body.token, data: 'cGF5bG9hZA==' };
  return (await server.done('/data-token/exchange-data-for-token', fields, token)).body.token;
}

describe('the command', () => {
  test('answers 202, succeeds with null, and from then on only the bare status answers', async () => {
    const ada = await server.profile();
    const answer = await server.post(path, { token: ada.token, form: { password } });
    expect([answer.status, answer.body]).toEqual([202, { commandId: expect.any(String), status: 'started' }]);
    const { commandId } = answer.body;
    const bare = () => server.post(`/request-status/${commandId}`);
    while ((await bare()).body === 'started');
    await bare().then(({ status, body }) => expect([status, body]).toEqual([200, 'succeeded']));
    const [{ data }] = await found(
      `select data from es.event where stream = $1 and type in ('command.succeeded', 'command.rejected')`,
      [`command-${commandId}`],
    );
    expect(data).toEqual({ commandId });
    expect((await server.get(`/request-status/${commandId}`, { token: ada.token })).text).toBe(unauthorized);
    expect((await server.get(`/request-status/${commandId}`)).text).toBe(unauthorized);
    expect((await who(ada.token)).text).toBe(unauthorized);
    expect((await login(ada.username)).text).toBe(unauthorized);
  });

  test('with Prefer: wait answers the status object with a null body', async () => {
    const ada = await server.profile();
    const { status, body } = await remove(ada);
    expect([status, body.type, body.status, body.body]).toEqual([200, 'profile/delete-account', 'succeeded', null]);
  });

  test('appends profile.deleted and profile.tokens_revoked', async () => {
    const ada = await server.profile({ withKey: false });
    const { body } = await remove(ada);
    const { profileId } = ada;
    const { rows } = await server.database.pool.query(
      'select type, data, meta from es.event where stream = $1 order by revision',
      [`profile-${profileId}`],
    );
    expect(rows.slice(1).map(({ type, data: { sealed, ...data } }) => [type, data, Object.keys(sealed)])).toEqual([
      ['profile.deleted', { profileId, usernameHash: rows[0].data.usernameHash }, [profileId]],
      [
        'profile.tokens_revoked',
        { profileId, exceptTokenId: null, applicationId: null, cause: 'account_deleted' },
        [profileId],
      ],
    ]);
    for (const { meta } of rows.slice(1)) expect(meta.commandId).toBe(body.commandId);
    expect(await typesOf(`command-${body.commandId}`)).toEqual([
      'command.accepted',
      'command.cleared',
      'command.succeeded',
    ]);
  });

  test('is rejected with a wrong password, which counts as a failed login', async () => {
    const ada = await server.profile({ withKey: false });
    for (let failure = 1; failure <= 5; failure++) {
      const { status, body } = await remove(ada, 'not the right one');
      expect([status, body.status, body.reason]).toEqual([200, 'rejected', 'profile.invalid_current_password']);
    }
    for (const locked of [await remove(ada), await login(ada.username)]) {
      expect([locked.status, locked.body.code]).toEqual([429, 'profile.login_locked']);
      expect(locked.headers.get('retry-after')).toBe('1');
    }
    clock.advance(2);
    expect((await who(ada.token)).status).toBe(200);
    expect((await remove(ada)).body.status).toBe('succeeded');
  });

  test('takes a user token and a password', async () => {
    const ada = await server.profile();
    expect((await server.post(path, { json: { password } })).text).toBe(unauthorized);
    for (const json of [{}, { password: '' }, { password: null }]) {
      const { status, body } = await server.post(path, { token: ada.token, json });
      expect([status, Object.keys(body.errors)]).toEqual([422, ['password']]);
    }
    const granted = await (await TestApplication.of(server, ada)).grantedBy(ada);
    const application = await remove(granted);
    expect([application.status, application.body.code]).toEqual([403, 'oauth.scope_insufficient']);
    const { commandId: id } = await server.done('/device/request-unique-identifier', { deviceName: 'x' }, ada.token);
    const shown = (await server.post('/device/retrieve-unique-identifier', { json: { id }, token: ada.token })).body;
    const token = await server.login(shown.username, shown.password);
    const device = await remove({ token }, shown.password);
    expect([device.status, device.body.code]).toEqual([403, 'profile.device_not_allowed']);
    expect((await who(ada.token)).status).toBe(200);
  });

  test('two at once delete one account', async () => {
    const ada = await server.profile({ withKey: false });
    const answers = await Promise.all([remove(ada), remove(ada), remove(ada)]);
    const outcomes = answers.map(({ status, body }) => (status === 200 ? (body.reason ?? body.status) : status));
    expect(outcomes.filter((outcome) => outcome === 'succeeded')).toHaveLength(1);
    for (const outcome of outcomes) expect(['succeeded', 'not_found', 401]).toContain(outcome);
  });
});

describe('what ends with the account', () => {
  test('the name is free again, and so is the key; nothing of the former holder comes with them', async () => {
    const ada = await server.profile();
    const { publicKey } = (await server.get('/public-key/retrieve-public-key', { token: ada.token })).body;
    await remove(ada);
    const next = await server.profile({ username: ada.username.toUpperCase(), withKey: false });
    expect(next.profileId).not.toBe(ada.profileId);
    await server.done('/public-key/register-public-key', { publicKey }, next.token);
    expect((await who(next.token)).body).toEqual({ profileId: next.profileId });
    expect((await who(ada.token)).status).toBe(401);
  });

  test('of many who want the name one gets it', async () => {
    const ada = await server.profile({ withKey: false });
    const register = () =>
      server.post('/profile/register-profile', { json: { username: ada.username, password }, wait: 30 });
    const before = await Promise.all([register(), register()]);
    expect(before.map(({ body }) => body.reason)).toEqual(['profile.username_taken', 'profile.username_taken']);
    await remove(ada);
    const answers = await Promise.all(Array.from({ length: 8 }, register));
    expect(answers.filter(({ body }) => body.status === 'succeeded')).toHaveLength(1);
  });

  test('tokens, QR tokens and channels; these hear first how the command ended', async () => {
    const ada = await server.profile({ withKey: false });
    const other = await server.login(ada.username);
    const { qrToken } = (await server.post('/profile/generate-token-qr', { token: ada.token })).body;
    const sockets = await Promise.all([ada.token, other].map((token) => TestSocket.join(server.url, token)));
    const { body } = await server.post(path, { token: ada.token, json: { password } });
    for (const socket of sockets) {
      const told = await socket.until((frame) => frame.status === 401);
      expect(told.data.message).toBe('Channel closed: authorization ended.');
      const own = socket.frames.filter((frame) => frame.data?.id === body.commandId);
      expect(own).toEqual([{ data: { type: 'X-DPT-CAB-ID', id: body.commandId, command_status: 2, body: null } }]);
      expect(socket.frames.indexOf(own[0])).toBeLessThan(socket.frames.indexOf(told));
      socket.send({ action: 'joinChannel', data: { authorizationToken: ada.token, correlationId: 'again' } });
      expect((await socket.until((frame) => frame.correlationId === 'again')).status).toBe(401);
      await socket.close();
    }
    for (const token of [ada.token, other]) expect((await who(token)).text).toBe(unauthorized);
    const json = { ttl: 600, qrToken };
    expect((await server.post('/profile/reauthorize-authorization-token', { json })).status).toBe(401);
  });

  test('its OAuth applications with what others granted them, and what it granted to others', async () => {
    const [ada, eve] = [await server.profile(), await server.profile()];
    const ours = await TestApplication.of(server, ada);
    const theirs = await TestApplication.of(server, eve);
    const [own, granted, foreign, kept] = [
      await ours.grantedBy(ada),
      await ours.grantedBy(eve),
      await theirs.grantedBy(ada),
      await theirs.grantedBy(eve),
    ];
    for (const { token } of [own, granted, foreign, kept]) expect((await who(token)).status).toBe(200);
    await remove(ada);
    for (const pair of [own, granted, foreign]) {
      expect((await who(pair.token)).text).toBe(unauthorized);
      expect((await ours.refresh(pair)).status).toBe(401);
    }
    const { status } = await ours.call('/oauth-application/obtain-access-token', { authorization_code: 'x' });
    expect(status).toBe(401);
    expect((await who(kept.token)).body).toEqual({ profileId: eve.profileId });
  });

  test('data tokens and devices; a device that is there deletes what it holds', async () => {
    const ada = await server.profile();
    const device = await TestDevice.of(server, ada);
    await device.connect();
    const token = await store(ada);
    await server.done('/data-token/reserve-token-space', { context: 'still temporary' }, ada.token);
    expect(device.objects.size).toBe(1);
    const { body } = await remove(ada);
    expect(body.status).toBe('succeeded');

    await device.got('storage.delete');
    await device.until(() => device.objects.size === 0);
    while (device.closeCode === null) {
      clock.advance(0.1);
      await server.get('/health');
    }
    expect(device.closeCode).toBe(4401);
    await expect(device.connect()).rejects.toThrow('401');
    const ends = await found(
      `select t.type, count(*)::int as n from es.event t
        where t.type in ('data_token.deleted', 'device.removed', 'storage.removed') and t.meta->>'commandId' = $1
        group by t.type having (select count(*) from es.event where type = 'data_token.deleted' and meta->>'commandId' = $1) = 2
        order by t.type`,
      [body.commandId],
    );
    expect(ends).toEqual([
      { type: 'data_token.deleted', n: 2 },
      { type: 'device.removed', n: 1 },
      { type: 'storage.removed', n: 1 },
    ]);
    const { rows } = await server.database.pool.query('select * from keys.token_key where owner_id = $1', [
      ada.profileId,
    ]);
    expect(rows).toEqual([]);
    expect(token).toMatch(/^dt_/);
  });

  test('devices that are away, waiting or unapproved, and their logins', async () => {
    const ada = await server.profile();
    const away = await TestDevice.of(server, ada);
    const { commandId: id, body } = await server.done(
      '/device/request-unique-identifier',
      { deviceName: 'x' },
      ada.token,
    );
    const shown = (await server.post('/device/retrieve-unique-identifier', { json: { id }, token: ada.token })).body;
    const token = await server.login(shown.username, shown.password);
    await remove(ada);
    expect((await who(token)).text).toBe(unauthorized);
    expect((await login(shown.username, shown.password)).text).toBe(unauthorized);
    for (const deviceIdentifier of [away.deviceIdentifier, body.deviceIdentifier]) {
      await found(`select 1 from es.event where stream = $1 and type = 'device.removed'`, [
        `device-${deviceIdentifier}`,
      ]);
    }
    await expect(away.connect()).rejects.toThrow('401');
  });

  test('a write that waits for a device is over', async () => {
    const ada = await server.profile();
    await TestDevice.of(server, ada);
    const { commandId } = await server.done('/data-token/reserve-token-space', { context: 'c' }, ada.token);
    const space = await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, { token: ada.token });
    const json = { temporaryTokenSpace: space.body.token, data: 'cGF5bG9hZA==' };
    const waiting = await server.post('/data-token/exchange-data-for-token', { json, token: ada.token });
    await found(`select 1 from es.event where type = 'data_token.data_exchanged' and meta->>'commandId' = $1`, [
      waiting.body.commandId,
    ]);
    await remove(ada);
    const [{ data }] = await found(`select data from es.event where stream = $1 and type = 'command.rejected'`, [
      `command-${waiting.body.commandId}`,
    ]);
    expect(data.reason).toBe('data_token.not_found');
  });

  test('what the profile had asked for before and what comes to run afterwards', async () => {
    const ada = await server.profile();
    const reserve = () => server.post('/data-token/reserve-token-space', { json: { context: 'c' }, token: ada.token });
    const [deleted, ...others] = await Promise.all([remove(ada), ...Array.from({ length: 10 }, reserve)]);
    expect(deleted.body.status).toBe('succeeded');
    for (const { status, body } of others) {
      if (status === 401) continue;
      const [{ type }] = await found(
        `select type from es.event where stream = $1 and type in ('command.succeeded', 'command.rejected')`,
        [`command-${body.commandId}`],
      );
      if (type === 'command.rejected') continue;
      await found(
        `select 1 from es.event where type = 'data_token.deleted' and data->>'tokenId' =
          (select data->>'tokenId' from es.event where type = 'data_token.space_reserved' and meta->>'commandId' = $1)`,
        [body.commandId],
      );
    }
  });
});

describe('a crash', () => {
  type Step = readonly [name: string, break_: (server: TestServer) => jest.SpyInstance];
  const away = () => Promise.reject(new Unavailable('database'));
  const before = (target: object, method: string) => jest.spyOn(target as any, method).mockImplementation(away);
  const after = (target: any, method: string) => {
    const real = target[method].bind(target);
    return jest.spyOn(target, method).mockImplementation(async (...args: unknown[]) => {
      await real(...args);
      return away();
    });
  };
  const steps: readonly Step[] = [
    ['before the tokens are forgotten', ({ served }) => before(served.app.get(KeyStore), 'forgetSecrets')],
    ['before the keys are destroyed', ({ served }) => before(served.app.get(KeyStore), 'destroySubject')],
    ['after the keys were destroyed', ({ served }) => after(served.app.get(KeyStore), 'destroySubject')],
    ['before the name is released', ({ served }) => before(served.app.get(Claims), 'releaseHashed')],
    ['after the name was released', ({ served }) => after(served.app.get(Claims), 'releaseHashed')],
    ['before the command is settled', ({ served }) => before(served.app.get(Commands), 'settle')],
  ];

  test.each(steps)('%s leaves nothing undone after a restart', async (_, break_) => {
    const first = await TestServer.start();
    const ada = await first.profile();
    const { commandId: id } = await first.done('/device/request-unique-identifier', { deviceName: 'x' }, ada.token);
    const device = (await first.post('/device/retrieve-unique-identifier', { json: { id }, token: ada.token })).body;
    const broken = break_(first);
    const { body } = await first.post(path, { token: ada.token, json: { password } });
    while (broken.mock.calls.length === 0) await new Promise(setImmediate);
    await first.stop({ keep: true });
    broken.mockRestore();

    const on = { database: first.database, dataDir: first.dataDir, port: first.port };
    const second = await TestServer.start({ on });
    try {
      const ended = async (): Promise<string> => (await second.post(`/request-status/${body.commandId}`)).body;
      while ((await ended()) === 'started') await new Promise(setImmediate);
      expect(await ended()).toBe('succeeded');
      const { rows } = await second.database.pool.query(
        `select (select count(*) from keys.subject_key where wrapped is not null)::int as subjects,
                (select count(*) from keys.profile_key)::int as keks,
                (select count(*) from identity.profile where kind = 'user')::int as profiles,
                (select count(*) from keys.lookup where kind = 'authorization')::int as tokens`,
      );
      expect(rows).toEqual([{ subjects: 0, keks: 0, profiles: 0, tokens: 0 }]);
      const json = { username: device.username, password: device.password };
      expect((await second.post('/profile/authenticate', { json })).status).toBe(401);
      const next = await second.profile({ username: ada.username });
      expect(next.profileId).not.toBe(ada.profileId);
      const { rows: ends } = await second.database.pool.query(
        `select type from es.event where stream = $1 and type in ('command.succeeded', 'command.rejected')`,
        [`command-${body.commandId}`],
      );
      expect(ends).toEqual([{ type: 'command.succeeded' }]);
    } finally {
      await second.stop();
    }
  });
});
