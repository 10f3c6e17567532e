import { request } from 'node:http';
import { connect } from 'node:net';
import { ManualClock } from '@symbolon/kernel';
import { password, TestServer } from '@symbolon/testing';

const form = { 'content-type': 'application/x-www-form-urlencoded' };
const json = { 'content-type': 'application/json' };
const unauthorized =
  '{"type":"urn:symbolon:problem:unauthorized","title":"Unauthorized","status":401,"detail":"The request carries no valid credentials.","code":"unauthorized"}';

const login = '/profile/authenticate';
const register = '/profile/register-profile';
const registerKey = '/public-key/register-public-key';

let server: TestServer;
const clock = new ManualClock(Date.now());

beforeAll(async () => {
  server = await TestServer.start({ clock });
});

afterAll(() => server.stop());

/** The answer to bytes that no client library would send. */
async function raw(text: string): Promise<string> {
  const socket = connect(server.port, '127.0.0.1');
  socket.write(text);
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}

/** A body of undeclared length. */
function chunked(path: string, headers: Record<string, string>, chunks: readonly string[]): Promise<[number, string]> {
  return new Promise((resolve, reject) => {
    const sent = request({ port: server.port, host: '127.0.0.1', method: 'POST', path, headers }, (answer) => {
      let text = '';
      answer.on('data', (chunk) => (text += String(chunk)));
      answer.on('end', () => resolve([answer.statusCode ?? 0, text]));
    });
    sent.on('error', reject);
    for (const chunk of chunks) sent.write(chunk);
    sent.end();
  });
}

async function newKey(token: string): Promise<string> {
  return (await server.get('/public-key/generate-keys', { token })).body.publicKey;
}

describe('paths', () => {
  test('what stands for no id or path is 404', async () => {
    for (const path of ['/%zz', '/request-status/%zz', '/request-status/%00', `/request-status/${'a'.repeat(400)}`]) {
      const { token } = await server.profile({ withKey: false });
      const { status, body, headers } = await server.get(path, { token });
      expect([status, body.code]).toEqual([404, 'not_found']);
      expect(headers.get('content-type')).toContain('application/problem+json');
      expect(headers.get('cache-control')).toBe('no-store');
    }
  });

  test('one trailing slash is tolerated, two are not', async () => {
    expect((await server.get('/utility/check-server-health/')).status).toBe(200);
    expect((await server.get('/utility/check-server-health//')).status).toBe(404);
  });

  test.each(['HEAD', 'OPTIONS', 'PUT', 'PATCH', 'DELETE'])(
    '%s is 405 with Allow where it is not served',
    async (verb) => {
      const { status, headers } = await server.call(verb, '/request-status/nonsense');
      expect([status, headers.get('allow')]).toEqual([405, 'GET, POST']);
    },
  );

  test('no HTTP at all is 400, as a problem document', async () => {
    const answer = await raw('NONSENSE\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain('application/problem+json');
    expect(answer).toContain('Cache-Control: no-store');
    expect(answer).toContain('"code":"request_malformed"');
  });
});

describe('bodies', () => {
  test.each([
    ['a broken percent-encoding', form, 'username=%zz&password=x'],
    ['percent-encoded bytes that are no UTF-8', form, 'username=%ff&password=x'],
    ['bytes that are no UTF-8', form, Buffer.from([0x61, 0x3d, 0xff])],
    ['JSON that is no UTF-8', json, Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ['JSON null', json, 'null'],
    ['JSON nested without end', json, '['.repeat(500_000)],
    ['multipart that was cut off', { 'content-type': 'multipart/form-data; boundary=x' }, '--x\r\nContent-Dispo'],
    [
      'a multipart field that was cut off',
      { 'content-type': 'multipart/form-data; boundary=x' },
      '--x\r\nContent-Disposition: form-data; name="username"\r\n\r\nada',
    ],
  ])('%s is 400', async (_, headers, body) => {
    const answer = await server.post(login, { headers, body });
    expect([answer.status, answer.body.code]).toEqual([400, 'request_malformed']);
  });

  test('a malformed query is 400', async () => {
    const { token } = await server.profile({ withKey: false });
    for (const query of ['deviceIdentifier=%zz', 'deviceIdentifier=%ff']) {
      const { status, body } = await server.get(`/public-key/retrieve-public-key?${query}`, { token });
      expect([status, body.code]).toEqual([400, 'request_malformed']);
    }
  });

  test('an empty body is an empty field set, even where its type is none', async () => {
    for (const type of [';;;', 'foo', 'application/json; charset=utf-8']) {
      const { status, body } = await server.post(login, { headers: { 'content-type': type } });
      expect([status, Object.keys(body.errors).sort()]).toEqual([422, ['password', 'username']]);
    }
    expect(await chunked(login, { 'content-type': 'text/plain' }, [])).toEqual([422, expect.any(String)]);
  });

  test('1 MiB is taken, more is 413 also where no length was declared, and 415 comes first', async () => {
    const field = 'username=';
    const most = await server.post(login, { headers: form, body: field + 'a'.repeat(1_048_576 - field.length) });
    expect(most.status).toBe(422);
    const part = 'a'.repeat(400_000);
    for (const headers of [form, json, { 'content-type': 'multipart/form-data; boundary=x' }]) {
      const [status, text] = await chunked(login, headers, [part, part, part]);
      expect([status, JSON.parse(text).code]).toEqual([413, 'payload_too_large']);
    }
    expect((await chunked(login, { 'content-type': 'text/plain' }, [part, part, part]))[0]).toBe(415);
  });

  test('names that mean something to JavaScript are fields like any other', async () => {
    const { username } = await server.profile({ withKey: false });
    const own = `"username":${JSON.stringify(username)},"password":${JSON.stringify(password)}`;
    const hostile = '"__proto__":{"x":1},"constructor":{"prototype":{"y":1}},"toString":1,"then":5,"hasOwnProperty":1';
    expect((await server.post(login, { headers: json, body: `{${own},${hostile}}` })).status).toBe(200);
    const fields = {
      username,
      password,
      '__proto__[x]': '1',
      'constructor[prototype][y]': '1',
      toString: '1',
      then: '1',
    };
    expect((await server.post(login, { form: fields })).status).toBe(200);
    expect(({} as Record<string, unknown>)['x'] ?? ({} as Record<string, unknown>)['y']).toBeUndefined();
  });

  test('unknown fields are ignored, also deep ones', async () => {
    const { username } = await server.profile({ withKey: false });
    const body = `{"username":${JSON.stringify(username)},"password":${JSON.stringify(password)},"x":${'['.repeat(500)}${']'.repeat(500)}}`;
    expect((await server.post(login, { headers: json, body })).status).toBe(200);
  });

  test('optional fields may be empty or null, required ones not', async () => {
    const { username, token } = await server.profile({ withKey: false });
    for (const commandId of ['', null]) {
      expect((await server.post(login, { json: { username, password, commandId } })).status).toBe(200);
    }
    for (const missing of ['', null, undefined]) {
      const { status, body } = await server.post(login, { json: { username, password: missing } });
      expect([status, body.errors]).toEqual([422, { password: ['is required'] }]);
    }
    expect((await server.post(registerKey, { token, form: { publicKey: '', signingKey: '' } })).body.errors).toEqual({
      publicKey: ['is required'],
    });
  });

  test('integers come as number or decimal text, text may look like a number', async () => {
    const { token } = await server.profile({ withKey: false });
    const path = '/profile/reauthorize-authorization-token';
    for (const ttl of [600, '600']) expect((await server.post(path, { token, json: { ttl } })).status).toBe(200);
    for (const ttl of [600.5, '6e2', true, [600], { a: 1 }, ' 600']) {
      expect((await server.post(path, { token, json: { ttl } })).status).toBe(422);
    }
    await server.done(register, { username: 1_234_567, password });
    expect((await server.post(login, { form: { username: '1234567', password } })).status).toBe(200);
  });

  test('a field given twice in any encoding: the last counts', async () => {
    const { username } = await server.profile({ withKey: false });
    const quoted = JSON.stringify(username);
    const twice = `{"username":"x","username":${quoted},"password":${JSON.stringify(password)}}`;
    expect((await server.post(login, { headers: json, body: twice })).status).toBe(200);
    const parts = new FormData();
    for (const name of ['x', username]) parts.append('username', name);
    parts.append('password', password);
    expect((await server.post(login, { body: parts })).status).toBe(200);
  });

  test('leading and trailing white space of a password is kept', async () => {
    const username = 'spaces@example.org';
    await server.done(register, { username, password: ` ${password} ` });
    expect((await server.post(login, { json: { username, password } })).status).toBe(401);
    expect((await server.post(login, { form: { username, password: ` ${password} ` } })).status).toBe(200);
  });

  test('a malformed id in a field is 422', async () => {
    const { token } = await server.profile({ withKey: false });
    for (const deviceIdentifier of ['nonsense', '0193B4C6-1F2E-7A41-B7D5-2C9E4A6F8B10', 5, ['x']]) {
      const fields = { publicKey: await newKey(token), deviceIdentifier };
      const { status, body } = await server.post(registerKey, { token, json: fields });
      expect([status, Object.keys(body.errors)]).toEqual([422, ['deviceIdentifier']]);
    }
    const query = await server.get('/public-key/retrieve-public-key?deviceIdentifier=nonsense', { token });
    expect(query.status).toBe(422);
  });
});

describe('order of checks', () => {
  test('each comes before the next', async () => {
    const { token } = await server.profile();
    const keyless = await server.profile({ withKey: false });
    const device = '/storage/register';
    const cases: Array<[number, string, Parameters<TestServer['post']>[1]]> = [
      [404, '/storage/nothing', { headers: { ...json, 'idempotency-key': 'ä' }, body: '{' }],
      [405, '/profile/retrieve-profile-id', { body: 'x' }],
      [401, device, { headers: { 'content-type': 'text/plain' }, body: 'x' }],
      [403, device, { token: keyless.token, headers: { 'content-type': 'text/plain' }, body: 'x' }],
      [415, device, { token, headers: { 'content-type': 'text/plain' }, body: 'x'.repeat(1_100_000) }],
      [413, device, { token, headers: json, body: '{'.repeat(1_100_000) }],
      [400, device, { token, headers: { ...json, 'idempotency-key': 'ä' }, body: '{' }],
      [422, device, { token, headers: { 'idempotency-key': 'ä' }, json: {} }],
    ];
    for (const [status, path, sent] of cases)
      expect([path, (await server.post(path, sent)).status]).toEqual([path, status]);
    expect((await server.post(device, { token, headers: { 'idempotency-key': 'ä' }, json: {} })).body.errors).toEqual({
      deviceIdentifier: ['is required'],
    });
  });
});

describe('Idempotency-Key', () => {
  test.each([
    ['empty', ''],
    ['too long', 'a'.repeat(256)],
    ['not ASCII', 'ä'],
    ['not printable', 'x\ty'],
  ])('one that is %s is refused with 422, on commands alone', async (_, key) => {
    const { token, username } = await server.profile({ withKey: false });
    const headers = { 'idempotency-key': key };
    const { status, body } = await server.post(registerKey, {
      token,
      headers,
      json: { publicKey: await newKey(token) },
    });
    expect([status, body.code, Object.keys(body.errors)]).toEqual([422, 'validation_failed', ['Idempotency-Key']]);
    expect((await server.post(register, { headers, json: { username: `${username}.x`, password } })).status).toBe(422);
    expect((await server.post(login, { headers, json: { username, password } })).status).toBe(200);
  });

  test('repeats whatever the encoding, and the order of fields, also while the command runs', async () => {
    const { token } = await server.profile({ withKey: false });
    const headers = { 'idempotency-key': 'a'.repeat(255) };
    const publicKey = await newKey(token);
    const signingKey = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a';
    const parts = new FormData();
    parts.append('signingKey', signingKey);
    parts.append('publicKey', publicKey.toUpperCase());
    const answers = await Promise.all([
      server.post(registerKey, { token, headers, json: { publicKey, signingKey, unknown: 1, deviceIdentifier: null } }),
      server.post(registerKey, { token, headers, form: { signingKey, publicKey, deviceIdentifier: '' } }),
      server.post(registerKey, { token, headers, body: parts }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202]);
    expect(new Set(answers.map(({ body }) => body.commandId)).size).toBe(1);
    const { commandId } = answers[0].body;
    const stream = await server.database.pool.query(
      `select count(*)::int as count from es.event where type = 'command.accepted' and data->>'commandId' = $1`,
      [commandId],
    );
    expect(stream.rows).toEqual([{ count: 1 }]);
    const waited = await server.post(registerKey, { token, headers, json: { publicKey, signingKey }, wait: 30 });
    expect([waited.status, waited.body.commandId, waited.body.status]).toEqual([200, commandId, 'succeeded']);
  });

  test('is scoped by profile and by path', async () => {
    const headers = { 'idempotency-key': 'scoped' };
    const [one, two] = [await server.profile(), await server.profile()];
    const wrong = { currentPassword: 'not the right one', newPassword: 'short yellow oak table' };
    const ids = [];
    for (const { token } of [one, two]) {
      ids.push((await server.post('/profile/change-password', { token, headers, json: wrong })).body.commandId);
      ids.push(
        (await server.post(registerKey, { token, headers, json: { publicKey: await newKey(token) } })).body.commandId,
      );
    }
    expect(new Set(ids).size).toBe(4);
  });

  test('row 3: is scoped by username', async () => {
    const headers = { 'idempotency-key': 'scoped' };
    const ids = [];
    for (const username of ['scope-one', 'scope-two', 'scope-one']) {
      const { status, body } = await server.post(register, { headers, json: { username, password }, wait: 30 });
      expect([status, body.status]).toEqual([200, 'succeeded']);
      ids.push(body.commandId);
    }
    expect(ids[2]).toBe(ids[0]);
    expect(ids[1]).not.toBe(ids[0]);
  });

  test('a repeated wrong password counts once', async () => {
    const { token, username } = await server.profile({ withKey: false });
    const wrong = { currentPassword: 'not the right one', newPassword: 'short yellow oak table' };
    const headers = { 'idempotency-key': 'once' };
    for (let call = 1; call <= 6; call++) {
      const { body } = await server.post('/profile/change-password', { token, headers, json: wrong, wait: 30 });
      expect(body.reason).toBe('profile.invalid_current_password');
    }
    expect((await server.post(login, { json: { username, password } })).status).toBe(200);
  });

  test('is free again after 24 hours', async () => {
    const headers = { 'idempotency-key': 'a day' };
    const call = (username: string) => server.post(register, { headers, json: { username, password }, wait: 30 });
    const first = await call('daily');
    clock.advance(23 * 3600);
    expect((await call('daily')).body.commandId).toBe(first.body.commandId);
    clock.advance(3601);
    const later = await call('daily');
    expect(later.body.commandId).not.toBe(first.body.commandId);
    expect(later.body.reason).toBe('profile.username_taken');
  });
});

describe('Prefer', () => {
  const attempt = (prefer: string, username: string) =>
    server.post(register, { headers: { prefer }, json: { username, password } });

  test.each(['wait=30', 'wait=31', 'wait=99999999999999', 'respond-async, WAIT = "5"', 'wait=5; x=y'])(
    '%s waits',
    async (prefer) => {
      const { status, headers, body } = await attempt(prefer, `waits for ${prefer}`);
      expect([status, headers.get('preference-applied'), body.status]).toEqual([200, 'wait', 'succeeded']);
      expect(headers.get('location')).toBe(`/request-status/${body.commandId}`);
    },
  );

  test.each(['wait=0', 'wait', 'wait=', 'wait=-1', 'wait=1.5', 'wait=soon', 'waiting=5', ';;;'])(
    '%s does not',
    async (prefer) => {
      const { status, headers, body } = await attempt(prefer, `is done with ${prefer}`);
      expect([status, headers.get('preference-applied')]).toEqual([202, null]);
      expect(body).toEqual({ commandId: expect.any(String), status: 'started' });
    },
  );

  test('a status is waited for in the same way', async () => {
    const { body } = await attempt('', 'status is waited for');
    const path = `/request-status/${body.commandId}`;
    for (let call = 1; call <= 2; call++) {
      const { status, headers } = await server.get(path, { wait: 30 });
      expect([status, headers.get('preference-applied')]).toEqual([200, 'wait']);
      expect([headers.get('x-dpt-cab-id'), headers.get('location')]).toEqual([body.commandId, path]);
    }
    expect((await server.get(path)).headers.get('preference-applied')).toBeNull();
  });

  test('holds for rejected commands as well', async () => {
    await attempt('wait=30', 'already here');
    const { status, headers, body } = await attempt('wait=30', 'ALREADY HERE');
    expect([status, headers.get('preference-applied')]).toEqual([200, 'wait']);
    expect(body).toMatchObject({ status: 'rejected', command_status: 3, reason: 'profile.username_taken', body: null });
  });
});

describe('statuses', () => {
  test('one of a command without token may be read without one, by POST in one word', async () => {
    const { commandId } = await server.done(register, { username: 'without a token', password });
    expect((await server.get(`/request-status/${commandId}/`)).body.status).toBe('succeeded');
    for (const sent of [
      {},
      { json: { a: 1 } },
      { headers: json, body: '{' },
      { headers: { 'content-type': 'a b' }, body: 'x' },
    ]) {
      const { status, text, headers } = await server.post(`/utility/request-command-id-status/${commandId}`, sent);
      expect([status, text]).toEqual([200, '"succeeded"']);
      expect(headers.get('content-type')).toContain('application/json');
    }
  });

  test('one with a token needs it: 401 without, 404 for others, who are recorded', async () => {
    const { token } = await server.profile({ withKey: false });
    const eve = await server.profile({ withKey: false });
    const { commandId } = await server.done(registerKey, { publicKey: await newKey(token) }, token);
    const path = `/request-status/${commandId}`;
    expect((await server.get(path)).text).toBe(unauthorized);
    expect((await server.get(path, { token: 'T-wrong' })).text).toBe(unauthorized);
    expect((await server.get(path, { token: eve.token })).status).toBe(404);
    const { rows } = await server.database.pool.query('select data from es.event where stream = $1', [
      `audit-${eve.profileId}`,
    ]);
    expect(rows.map(({ data }) => data)).toMatchObject([
      { profileId: eve.profileId, method: 'GET', path, code: 'not_found' },
    ]);
  });

  test('a rejected one says so by POST and shows no reason', async () => {
    await server.done(register, { username: 'taken name', password });
    const { body } = await server.post(register, { json: { username: 'taken name', password }, wait: 30 });
    expect((await server.post(`/request-status/${body.commandId}`)).text).toBe('"rejected"');
  });

  test('the calling token of another kind of command sees body and times', async () => {
    const { token, profileId } = await server.profile({ withKey: false });
    const publicKey = await newKey(token);
    const { body } = await server.post(registerKey, { token, json: { publicKey } });
    const status = await server.get(`/request-status/${body.commandId}`, { token, wait: 30 });
    expect(status.body).toMatchObject({
      type: 'public-key/register-public-key',
      body: { profileId, fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/) },
    });
  });

  test('are kept for 30 days after their end', async () => {
    const username = 'thirty days';
    const { commandId } = await server.done(register, { username, password });
    const path = `/request-status/${commandId}`;
    // The end carries the log's own time, from which the clock of these tests has gone on.
    clock.advance((Date.now() - clock.millis()) / 1000 + 30 * 86_400 - 60);
    expect((await server.get(path)).status).toBe(200);
    clock.advance(120);
    const token = await server.login(username);
    expect((await server.get(path, { token })).status).toBe(404);
    expect((await server.post(path)).status).toBe(404);
  });
});

describe('access', () => {
  test.each(['Basic QWxhZGRpbjpvcGVu', 'Bearer', 'Bearer  ', 'Bearer T-a T-b', 'T-x', ''])(
    'Authorization: %j is the same 401, byte for byte',
    async (authorization) => {
      const { status, text, headers } = await server.get('/profile/retrieve-profile-id', {
        headers: { authorization },
      });
      expect([status, text]).toEqual([401, unauthorized]);
      expect(headers.get('content-type')).toContain('application/problem+json');
    },
  );

  test('expired and revoked tokens are answered alike', async () => {
    const { token, username } = await server.profile({ withKey: false });
    await server.post('/profile/revoke-authorization-token', { token });
    const expired = await server.login(username);
    clock.advance(86_401);
    for (const ended of [token, expired]) {
      expect((await server.get('/profile/retrieve-profile-id', { token: ended })).text).toBe(unauthorized);
    }
  });

  test('where no credentials are needed, any that are sent are ignored', async () => {
    expect((await server.get('/health', { token: 'T-nonsense' })).status).toBe(200);
    expect((await server.get('/dptcab/public-key', { headers: { authorization: 'Basic x' } })).status).toBe(200);
  });

  test('a revoked token cannot be revoked again, whatever ended it; trying another profile’s is recorded', async () => {
    const { token, username } = await server.profile({ withKey: false });
    const other = await server.login(username);
    await server.done(
      '/profile/change-password',
      { currentPassword: password, newPassword: 'short yellow oak' },
      token,
    );
    const revoke = (authorizationToken: string) =>
      server.post('/profile/revoke-authorization-token', { token, json: { authorizationToken } });
    expect((await revoke(other)).status).toBe(404);
    const eve = await server.profile({ withKey: false });
    const tried = await server.post('/profile/revoke-authorization-token', {
      token: eve.token,
      json: { authorizationToken: token },
    });
    expect([tried.status, tried.body.code]).toEqual([404, 'not_found']);
    const { rows } = await server.database.pool.query('select type from es.event where stream = $1', [
      `audit-${eve.profileId}`,
    ]);
    expect(rows).toEqual([{ type: 'access.denied' }]);
    expect((await revoke(token)).body).toEqual({ revoked: true });
  });
});
