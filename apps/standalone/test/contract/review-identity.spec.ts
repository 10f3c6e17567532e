import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { ManualClock } from '@symbolon/kernel';
import {
  password,
  ScriptedVoting,
  TestApplication,
  type TestProfile,
  TestServer,
  TestSocket,
  withoutVoting,
} from '@symbolon/testing';

const unauthorized =
  '{"type":"urn:symbolon:problem:unauthorized","title":"Unauthorized","status":401,"detail":"The request carries no valid credentials.","code":"unauthorized"}';
const register = '/profile/register-profile';

const clock = new ManualClock(Date.now());
let server: TestServer;
let voting: ScriptedVoting;
let ada: TestProfile;

beforeAll(async () => {
  server = await TestServer.start({ clock, contexts: withoutVoting });
  voting = new ScriptedVoting(server);
  ada = await server.profile();
});

afterAll(() => server.stop());

/** The answer to bytes that no client library would send. */
function raw(bytes: string): Promise<string> {
  const socket = connect(server.port, '127.0.0.1');
  socket.write(bytes);
  return text(socket);
}

describe('2 Request command id status', () => {
  test('of a profile that was deleted only POST answers, also for what was issued without a token', async () => {
    const username = 'gone@example.org';
    const { commandId } = await server.done(register, { username, password });
    const path = `/request-status/${commandId}`;
    expect((await server.get(path)).status).toBe(200);
    const token = await server.login(username);
    await server.done('/profile/delete-account', { password }, token);
    expect((await server.get(path)).text).toBe(unauthorized);
    expect((await server.get(path, { token: ada.token })).status).toBe(404);
    expect((await server.post(path)).text).toBe('"succeeded"');
    const again = await server.done(register, { username, password });
    expect((await server.get(`/request-status/${again.commandId}`)).status).toBe(200);
  });
});

describe('what is left of a deleted account', () => {
  test('an upload link opens nothing from the end of the command on', async () => {
    const { token } = await server.profile();
    const { commandId } = await server.done('/data-token/reserve-token-space', { context: 'c' }, token);
    const path = `/data-token/retrieve-temporary-data-token/${commandId}`;
    const { stream } = (await server.get(path, { token })).body;
    await server.done('/profile/delete-account', { password }, token);
    expect((await server.post(stream, { body: 'data' })).text).toBe(unauthorized);
  });
});

describe('3 Register new profile', () => {
  test.each([
    ['ΟΔΟΣ', 'οδοσ'],
    ['Straße', 'STRASSE'],
    ['ﬁsh', 'FISH'],
  ])('%s and %s are one name', async (first, second) => {
    const { body } = await server.done(register, { username: first, password });
    const { reason } = (await server.post(register, { json: { username: second, password }, wait: 30 })).body;
    expect(reason).toBe('profile.username_taken');
    const token = await server.login(second);
    expect((await server.get('/profile/retrieve-profile-id', { token })).body).toEqual(body);
  });
});

describe('5 Retrieve profile id', () => {
  test.each(['Bearer', 'bearer', 'Bearer   '])('takes "%s" before the token', async (scheme) => {
    const headers = { authorization: `${scheme} ${ada.token}` };
    expect((await server.get('/profile/retrieve-profile-id', { headers })).status).toBe(200);
  });

  test('an X-DPT-AUTHORIZATION that is empty or wrong counts before a good Authorization', async () => {
    for (const own of ['', 'T-wrong', `Bearer ${ada.token}`]) {
      const headers = { authorization: `Bearer ${ada.token}`, 'x-dpt-authorization': own };
      expect((await server.get('/profile/retrieve-profile-id', { headers })).text).toBe(unauthorized);
    }
  });
});

describe('8 Reauthorize authorization token', () => {
  test.each([
    ['text/plain', 'qrToken=x&ttl=600'],
    ['application/json', '{"qrToken":'],
    ['application/json', 'x'.repeat(1_048_577)],
  ])('without a token a body of %s that cannot be read brings no credentials: 401', async (type, body) => {
    const path = '/profile/reauthorize-authorization-token';
    const headers = { 'content-type': type };
    expect((await server.post(path, { headers, body })).text).toBe(unauthorized);
    expect((await server.post(path, { headers, body, token: ada.token })).status).not.toBe(401);
  });
});

describe('scopes, however they are written', () => {
  const both = ['profile:read', 'device:read'];
  let application: TestApplication;
  let nonces = 0;

  beforeAll(async () => {
    application = await TestApplication.of(server, ada);
  });

  const ask = (query: string) => {
    const path = '/profile/oauth-application-request-authorization-code';
    return server.get(`${path}?client_id=${application.clientId}&nonce=${++nonces}&${query}`, {
      token: ada.token,
      wait: 30,
    });
  };

  test.each([
    'scope=profile:read,device:read',
    'scope=%5B%22profile:read%22,%22device:read%22%5D',
    'scope[]=profile:read&scope[]=device:read',
    'scope%5B%5D=device:read&scope%5B%5D=profile:read',
    'scope[1]=device:read&scope[0]=profile:read',
  ])('13 %s', async (query) => {
    const { status, body } = await ask(query);
    expect([status, body.body.scope]).toEqual([200, both]);
  });

  test.each([
    ['scope=', 'validation_failed'],
    ['x=1', 'validation_failed'],
    ['scope[]=', 'oauth.scope_unknown'],
    ['scope=device:read,', 'oauth.scope_unknown'],
    ['scope=profile:read, device:read', 'oauth.scope_unknown'],
  ])('13 %s is 422 %s', async (query, code) => {
    const { status, body } = await ask(query);
    expect([status, body.code]).toEqual([422, code]);
  });

  test('13 of a scope given twice without brackets the last one counts', async () => {
    expect((await ask('scope=profile:read&scope=device:read')).body.body.scope).toEqual(['device:read']);
  });

  test('11 an Idempotency-Key knows them again in every encoding', async () => {
    const fields = { name: 'encodings', redirectUri: 'https://app.example/' };
    const parts = new FormData();
    for (const [name, value] of Object.entries(fields)) parts.append(name, value);
    for (const scope of both) parts.append('scopes[]', scope);
    const brackets = new URLSearchParams(fields);
    for (const scope of both) brackets.append('scope[]', scope);
    const encodings = [
      { json: { ...fields, scopes: [...both].reverse() } },
      { json: { ...fields, scope: both.join() } },
      { form: { ...fields, scopes: JSON.stringify(both) } },
      { body: brackets },
      { body: parts },
    ];
    const ids = new Set<string>();
    const headers = { 'idempotency-key': 'scopes' };
    for (const encoding of encodings) {
      const answer = await server.post('/profile/oauth-application-register', {
        token: ada.token,
        headers,
        ...encoding,
      });
      expect(answer.status).toBe(202);
      ids.add(answer.body.commandId);
    }
    expect(ids.size).toBe(1);
  });
});

describe('16 OAuth application list', () => {
  test.each(['page=0', 'page=-1', 'page=1.5', 'page[]=2', 'perPage=0', 'perPage=101'])('%s is 422', async (query) => {
    const { status, body } = await server.get(`/profile/retrieve-oauth-application-list?${query}`, {
      token: ada.token,
    });
    expect([status, Object.keys(body.errors)]).toEqual([422, [query.split(/[=[]/)[0]]]);
  });

  test('pages hold each application once, newest first; one past the end is empty', async () => {
    const eve = await server.profile();
    for (let index = 0; index < 3; index++) await TestApplication.of(server, eve);
    const page = async (number: number) =>
      (await server.get(`/profile/retrieve-oauth-application-list?perPage=2&page=${number}`, { token: eve.token }))
        .body;
    const [first, second, third] = [await page(1), await page(2), await page(3)];
    expect([first, second, third].map(({ meta, items }) => [meta, items.length])).toEqual([
      [{ count: 3, page: 1, perPage: 2 }, 2],
      [{ count: 3, page: 2, perPage: 2 }, 1],
      [{ count: 3, page: 3, perPage: 2 }, 0],
    ]);
    const ids = [...first.items, ...second.items].map(({ applicationId }) => applicationId);
    expect(ids).toEqual([...ids].sort().reverse());
  });
});

describe('what a policy holds', () => {
  let eve: TestProfile;

  beforeEach(async () => {
    eve = await server.profile();
    await voting.authenticator(eve.profileId);
    const applyingEventIds = ['profile.change_password', 'profile.delete_account', 'public_key.replaced'];
    const fields = { policyTemplateId: 'security_settings', applyingEventIds };
    const { id } = (await server.done('/policy/register', fields, eve.token)).body;
    await server.done('/policy/activate', { policyId: id }, eve.token);
  });

  test('6 waits, is told by its status and repeated by its Idempotency-Key, and keeps the token that asked', async () => {
    const other = await server.login(eve.username);
    const json = { currentPassword: password, newPassword: 'short yellow oak table' };
    const call = (wait?: number) =>
      server.post('/profile/change-password', {
        token: eve.token,
        json,
        headers: { 'idempotency-key': 'held' },
        ...(wait === undefined ? {} : { wait }),
      });
    const held = await call(1);
    const { commandId } = held.body;
    expect([held.status, held.body, held.headers.get('preference-applied')]).toEqual([
      202,
      { commandId, status: 'started' },
      null,
    ]);
    expect([(await call()).status, (await call()).body.commandId]).toEqual([202, commandId]);
    const path = `/request-status/${commandId}`;
    const pending = await server.get(path, { token: other });
    expect([pending.status, pending.body]).toMatchObject([
      202,
      { commandId, command_status: 1, reason: null, body: null },
    ]);
    expect((await server.post(path)).text).toBe('"started"');
    expect((await server.get(path)).text).toBe(unauthorized);

    await voting.vote(commandId, 'succeeded');
    const end = await call(30);
    expect([end.status, end.body]).toMatchObject([
      200,
      { commandId, status: 'succeeded', body: { profileId: eve.profileId }, poolId: expect.any(String) },
    ]);
    expect((await server.get(path, { token: eve.token })).status).toBe(200);
    expect((await server.get(path, { token: other })).text).toBe(unauthorized);
  });

  test('the account is there until the vote has succeeded', async () => {
    const socket = await TestSocket.join(server.url, eve.token);
    const path = '/profile/delete-account';
    const { commandId } = (await server.post(path, { token: eve.token, json: { password } })).body;
    expect((await server.get('/profile/retrieve-profile-id', { token: eve.token })).status).toBe(200);
    await voting.vote(commandId, 'succeeded');
    expect(await socket.end(commandId)).toMatchObject({ command_status: 2, body: null });
    await socket.close();
    expect((await server.get('/profile/retrieve-profile-id', { token: eve.token })).text).toBe(unauthorized);
  });

  test('20 the key stays what it was until the vote has succeeded', async () => {
    const { token } = eve;
    const keyOf = async () => (await server.get('/public-key/retrieve-public-key', { token })).body.publicKey;
    const former = await keyOf();
    const { publicKey } = (await server.get('/public-key/generate-keys', { token })).body;
    const held = await server.post('/public-key/register-public-key', { token, json: { publicKey } });
    expect([held.status, await keyOf()]).toEqual([202, former]);
    const { commandId } = held.body;
    await voting.vote(commandId, 'succeeded');
    expect((await server.get(`/request-status/${commandId}`, { token, wait: 30 })).body.status).toBe('succeeded');
    expect(await keyOf()).toBe(publicKey);
  });
});

describe('what a policy holds of a device that has no key yet', () => {
  let eve: TestProfile;

  const registered = async (deviceIdentifier: string, more: object = {}): Promise<string> => {
    const { publicKey } = (await server.get('/public-key/generate-keys', { token: eve.token })).body;
    const json = { deviceIdentifier, publicKey, ...more };
    return (await server.post('/public-key/register-public-key', { token: eve.token, json })).body.commandId;
  };
  const device = async (fields: object = {}): Promise<string> =>
    (await server.done('/device/request-unique-identifier', { deviceName: 'attic', ...fields }, eve.token)).body
      .deviceIdentifier;
  const endOf = async (commandId: string) =>
    (await server.get(`/request-status/${commandId}`, { token: eve.token, wait: 30 })).body;
  const isHeld = async (commandId: string): Promise<boolean> => {
    const { rows } = await server.database.pool.query(
      `select data from es.event where stream = $1 and type = 'command.accepted'`,
      [`command-${commandId}`],
    );
    return 'held' in rows[0].data;
  };

  beforeAll(async () => {
    eve = await server.profile();
    await voting.authenticator(eve.profileId);
    const fields = { policyTemplateId: 'security_settings', applyingEventIds: ['public_key.replaced'] };
    const { id } = (await server.done('/policy/register', fields, eve.token)).body;
    await server.done('/policy/activate', { policyId: id }, eve.token);
  });

  test('20 of keys that are sent at once one is the first, and the others wait', async () => {
    for (let round = 0; round < 5; round++) {
      const deviceIdentifier = await device();
      const commands = await Promise.all([1, 2, 3, 4].map(() => registered(deviceIdentifier)));
      const held = await Promise.all(commands.map(isHeld));
      expect(held.filter((one) => !one)).toHaveLength(1);
      expect(await endOf(commands[held.indexOf(false)]!)).toMatchObject({ status: 'succeeded' });
      const next = commands[held.indexOf(true)]!;
      await voting.vote(next, 'succeeded');
      expect(await endOf(next)).toMatchObject({ status: 'succeeded' });
    }
  });

  test('20 a key that is there is guarded, also against itself', async () => {
    const { publicKey } = (await server.get('/public-key/generate-keys', { token: eve.token })).body;
    const deviceIdentifier = await device({ publicKey });
    expect(await isHeld(await registered(deviceIdentifier, { publicKey }))).toBe(true);
  });

  test('20 where nothing came of the first key, the next one is the first', async () => {
    const { publicKey: taken } = (await server.get('/public-key/retrieve-public-key', { token: ada.token })).body;
    const deviceIdentifier = await device();
    const first = await endOf(await registered(deviceIdentifier, { publicKey: taken }));
    expect(first.reason).toBe('public_key.already_in_use');
    const next = await registered(deviceIdentifier);
    expect([await isHeld(next), (await endOf(next)).status]).toEqual([false, 'succeeded']);
  });

  test('20 an Idempotency-Key repeats the first key, whatever came since', async () => {
    const deviceIdentifier = await device();
    const { publicKey } = (await server.get('/public-key/generate-keys', { token: eve.token })).body;
    const call = () =>
      server.post('/public-key/register-public-key', {
        token: eve.token,
        json: { deviceIdentifier, publicKey },
        headers: { 'idempotency-key': deviceIdentifier },
        wait: 30,
      });
    const [first, ...others] = [...(await Promise.all([call(), call()])), await call()];
    expect(first.body).toMatchObject({ status: 'succeeded' });
    for (const other of others) expect(other.body).toEqual(first.body);
  });
});

describe('what HTTP clients send', () => {
  test('an offer of HTTP/2 is declined: the call is answered as it is', async () => {
    const offer = 'Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n';
    expect(await raw(`GET /health HTTP/1.1\r\nHost: x\r\n${offer}\r\n`)).toMatch(
      /^HTTP\/1\.1 200 OK[^]*{"status":"ok"}$/,
    );
    const body = new URLSearchParams({ username: ada.username, password }).toString();
    const answer = await raw(
      `POST /profile/authenticate HTTP/1.1\r\nHost: x\r\n${offer}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK[^]*"authorizationToken":"T-/);
  });

  test.each([
    ['no key', 'Sec-WebSocket-Version: 13'],
    ['another version', 'Sec-WebSocket-Version: 12\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='],
  ])('a handshake with %s is malformed', async (_, lines) => {
    const answer = await raw(
      `GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${lines}\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n[^]*Content-Type: application\/problem\+json/);
    expect(answer).toMatch(/^sec-websocket-version: 13\r\n[^]*"code":"request_malformed"}$/m);
  });

  test.each(['TRACE', 'PROPFIND', 'OPTIONS', 'HEAD'])('%s is a wrong verb like any other', async (verb) => {
    const answer = await raw(`${verb} /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 405 [^]*allow: GET\r\n/);
  });

  test('an absolute form and HTTP/1.0 are understood', async () => {
    for (const line of ['GET http://x/health HTTP/1.1\r\nConnection: close', 'GET /health HTTP/1.0']) {
      expect(await raw(`${line}\r\nHost: x\r\n\r\n`)).toMatch(/^HTTP\/1\.1 200 OK/);
    }
  });

  test('documents have their own types on either form of their path', async () => {
    for (const [path, type, cache] of [
      ['/.well-known/jwks.json', 'application/jwk-set+json', 'max-age=3600'],
      ['/openapi.json', 'application/json', 'no-store'],
      ['/asyncapi.json', 'application/json', 'no-store'],
      ['/docs', 'text/html', 'no-store'],
      ['/dptcab/public-key', 'application/json', 'no-store'],
    ] as const) {
      for (const form of [path, `${path}/`]) {
        const { status, headers } = await server.get(form);
        expect([form, status, headers.get('cache-control')]).toEqual([form, 200, cache]);
        expect(headers.get('content-type')?.split(';')[0]).toBe(type);
      }
    }
  });
});
