import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import { KeyRing, KeyStore, purposes, uuid7 } from '@symbolon/crypto';
import { ManualClock } from '@symbolon/kernel';
import { Settings } from '@symbolon/settings';
import { password, type TestAnswer, TestServer } from '@symbolon/testing';
import { type Application, application, StorageDevice } from './parties';

jest.setTimeout(60_000);

let server: TestServer;
let other: TestServer;
let ada: Application;
let eve: Application;
let attic: StorageDevice;

beforeAll(async () => {
  const clock = new ManualClock(Date.now());
  const environment = { SYMBOLON_CORS_ORIGINS: 'https://console.example.org,https://vault.example.org' };
  [server, other] = await Promise.all([TestServer.start({ clock }), TestServer.start({ clock, environment })]);
  [ada, eve] = await Promise.all([application(server.url), application(server.url)]);
  attic = await StorageDevice.of(ada, server.url, { clock });
});

afterAll(async () => {
  ada.session.close();
  eve.session.close();
  await attic.discard();
  await Promise.all([server.stop(), other.stop()]);
});

/** All that the caller is told. `about`: what he sent himself and gets back. */
const told = ({ status, headers, text }: TestAnswer, ...about: readonly string[]) => ({
  status,
  headers: [...headers].filter(([name]) => name !== 'date' && !name.startsWith('ratelimit')),
  text: about.reduce((seen, own) => seen.replaceAll(own, '…'), text),
});

describe('W7: known and unknown', () => {
  const login = (username: string, secret: string) =>
    server.post('/profile/authenticate', { json: { username, password: secret } });

  test('users answer alike, at every failure and when they are locked, with the right password as well', async () => {
    const { username } = await server.profile({ withKey: false });
    const unknown = username.replace(/^./, 'q');
    for (let failure = 1; failure <= 7; failure++) {
      const [one, two] = [await login(username, 'not the password'), await login(unknown, 'not the password')];
      expect(told(one)).toEqual(told(two));
      expect(one.status).toBe(failure <= 5 ? 401 : 429);
    }
    expect(told(await login(username, password))).toEqual(told(await login(unknown, password)));
    // An unlocked one gets in.
    expect((await login(ada.username, ada.password)).status).toBe(200);
  });

  test('users leave the same events, so that a reader of the log learns no more', async () => {
    const { rows } = await server.database.pool.query(
      `select distinct data - 'usernameHash' - 'ipHash' - 'profileId' - 'at' - 'failures' - 'sealed' as rest,
              data ? 'profileId' as named
         from es.event where type = 'profile.authentication_failed'`,
    );
    expect(new Set(rows.map(({ named }) => named))).toEqual(new Set([true]));
  });

  test('nothing gives out a salt or the parameters of a verifier', async () => {
    const { body } = await server.get('/openapi.json');
    expect(Object.keys(body.paths).length).toBeGreaterThan(20);
    expect(JSON.stringify(body)).not.toMatch(/\bsalt|verifier|argon|iterations/i);
  });

  test.each([
    ['no token', undefined],
    ['an empty one', ''],
    ['a malformed one', 'T-short'],
    ['an unknown one', `T-${'A'.repeat(43)}`],
    ['one of another kind', `dt_${'A'.repeat(43)}`],
  ])('tokens: %s is answered as a revoked one', async (_, token) => {
    const revoked = await server.login(ada.username);
    expect((await server.get('/profile/retrieve-profile-id', { token: revoked })).status).toBe(200);
    await server.post('/profile/revoke-authorization-token', { token: revoked });
    const ask = (which: string | undefined) => server.get('/profile/retrieve-profile-id', { token: which });
    expect(told(await ask(token))).toEqual(told(await ask(revoked)));
    expect((await ask(revoked)).status).toBe(401);
  });

  test('objects of others answer as objects that do not exist', async () => {
    const { token: foreign } = await ada.session.store(Buffer.from('of somebody else'));
    const { commandId } = await ada.session.command('/data-token/reserve-token-space', { context: 'x' });
    const missing = { token: `dt_${'A'.repeat(43)}`, device: uuid7(), command: uuid7() };
    const own = { token: foreign, device: attic.deviceIdentifier, command: commandId };
    const asks: Array<(of: typeof own, token: string) => Promise<TestAnswer>> = [
      (of, token) => server.post('/data-token/request-data', { json: { token: of.token }, token, wait: 20 }),
      (of, token) => server.post('/data-token/delete-data', { json: { token: of.token }, token, wait: 20 }),
      (of, token) =>
        server.post('/data-token/configure-file-meta', { json: { token: of.token, fileName: 'a' }, token, wait: 20 }),
      (of, token) => server.get(`/data-token/list-data-tokens?filters[token]=${of.token}`, { token }),
      (of, token) => server.get(`/data-token/retrieve-temporary-data-token/${of.command}`, { token }),
      (of, token) => server.get(`/request-status/${of.command}`, { token }),
      (of, token) => server.get(`/device/retrieve-device-configuration/${of.device}`, { token }),
      (of, token) => server.post('/device/approve-device', { json: { deviceIdentifier: of.device }, token, wait: 20 }),
      (of, token) => server.post('/storage/register', { json: { deviceIdentifier: of.device }, token, wait: 20 }),
      (of, token) => server.get(`/public-key/retrieve-public-key?deviceIdentifier=${of.device}`, { token }),
    ];
    const ids = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
    const times = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00/g;
    const plain = (answer: TestAnswer) => {
      const { status, headers, text } = told(answer);
      return JSON.stringify({ status, headers, text }).replaceAll(ids, 'id').replaceAll(times, 'time');
    };
    for (const ask of asks) {
      const [theirs, none] = [await ask(own, eve.session.token!), await ask(missing, eve.session.token!)];
      expect(plain(theirs)).toBe(plain(none));
    }
    // To its owner every one of them says something else.
    for (const ask of asks.slice(3, 8))
      expect(plain(await ask(own, ada.session.token!))).not.toBe(plain(await ask(missing, ada.session.token!)));
    expect((await ada.session.list({ token: foreign })).items).toHaveLength(1);
  });
});

describe('W10: what the API issues', () => {
  const issued: Array<readonly [kind: string, secret: string]> = [];
  const answers: string[] = [];
  const auth = (url: string) => {
    const link = new URL(url);
    expect([...link.searchParams.keys()]).toEqual(['auth']);
    expect([link.origin, link.hash, link.username]).toEqual([server.url, '', '']);
    return link.searchParams.get('auth')!;
  };

  beforeAll(async () => {
    issued.push(['client-secret', attic.configuration['client-secret']!], ['login', attic.login.password]);
    for (let round = 0; round < 8; round++) {
      issued.push(['authorization', await server.login(ada.username)]);
      const { commandId } = await ada.session.command('/data-token/reserve-token-space', { context: 'x' });
      const space = await ada.session.query<Record<string, string>>(
        `/data-token/retrieve-temporary-data-token/${commandId}`,
      );
      issued.push(['data-token', space['token']!], ['stream', auth(space['stream']!)]);
      expect(space['streamAuthenticationToken']).toBe(issued.at(-1)![1]);
      const { token } = await ada.session.store(Buffer.from('x'));
      const { body } = await ada.session.command<{ downloadUrl: string }>('/data-token/request-data', { token });
      issued.push(['data-token', token], ['download', auth(body.downloadUrl)]);
      const rotated = await ada.session.devices.add('another');
      const configured = await ada.session.devices.login(rotated.commandId);
      issued.push(['login', configured.password!]);
      answers.push(JSON.stringify([space, body, configured]));
    }
  });

  const bytesOf = (secret: string) => Buffer.from(secret.replace(/^(T-|dt_)/, ''), 'base64url');

  test('has one form: 32 bytes and nothing beside them', () => {
    const prefix: Record<string, string> = { authorization: 'T-', 'data-token': 'dt_' };
    for (const [kind, secret] of issued) {
      expect([kind, secret]).toEqual([kind, expect.stringMatching(new RegExp(`^${prefix[kind] ?? ''}[\\w-]{43}$`))]);
      expect(bytesOf(secret)).toHaveLength(32);
      expect((prefix[kind] ?? '') + bytesOf(secret).toString('base64url')).toBe(secret);
    }
    expect(new Set(issued.map(([kind]) => kind)).size).toBe(6);
  });

  test('is random in every bit', () => {
    const all = issued.map(([, secret]) => bytesOf(secret));
    const ones = (bytes: Buffer) =>
      [...bytes].reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0);
    const bits = all.length * 256;
    expect(Math.abs(all.reduce((sum, bytes) => sum + ones(bytes), 0) - bits / 2)).toBeLessThan(7 * Math.sqrt(bits / 4));
    for (let at = 0; at < 256; at++) {
      const column = new Set(all.map((bytes) => (bytes[at >> 3]! >> (at & 7)) & 1));
      expect(column.size).toBe(2);
    }
    // Seven deviations from the mean of 128: no two have anything in common.
    all.forEach((one, index) =>
      all
        .slice(0, index)
        .forEach((two) => expect(ones(one.map((byte, at) => byte ^ two[at]!) as Buffer)).toBeGreaterThan(72)),
    );
  });

  test('holds no id, time, name or key', () => {
    const ring = server.served.app.get(KeyRing);
    const idBytes = (id: string) => Buffer.from(id.replaceAll('-', ''), 'hex');
    const now = idBytes(uuid7()).subarray(0, 4);
    for (const [kind, secret] of issued) {
      const bytes = bytesOf(secret);
      const known = [
        now,
        idBytes(ada.profileId).subarray(8),
        Buffer.from(ada.username.slice(0, 8)),
        Buffer.from(password.slice(0, 8)),
      ];
      for (const piece of known) expect([kind, bytes.includes(piece)]).toEqual([kind, false]);
      expect(purposes.some((purpose) => ring.all(purpose).some((key) => key.bytes.equals(bytes)))).toBe(false);
      expect(bytes.toString('latin1')).not.toMatch(/[\x20-\x7e]{20}/);
    }
    // And no answer holds a JWT, which might say more than it seems to.
    expect(answers.join('\n')).not.toContain('eyJ');
    expect(answers.join('\n')).toContain('auth=');
  });

  test('is found under its hash only: a dump of one installation is of no use in another', async () => {
    const { token } = await ada.session.store(Buffer.from('x'));
    const [here, there] = [server, other].map(({ served }) => served.app.get(KeyStore));
    expect(here!.hashSecret('data-token', token)).not.toBe(there!.hashSecret('data-token', token));
    expect(await here!.findSecret('data-token', token)).not.toBeNull();
    expect(await there!.findSecret('data-token', token)).toBeNull();
  });
});

test('W10: two fresh installations share no key', async () => {
  const keysOf = ({ served, dataDir }: TestServer) => [
    ...purposes.flatMap((purpose) =>
      served.app
        .get(KeyRing)
        .all(purpose)
        .map(({ bytes }) => bytes.toString('hex')),
    ),
    readFileSync(join(dataDir, 'key-ring.master'), 'utf8').trim(),
  ];
  const shown = async (of: TestServer) => [
    (await of.get('/dptcab/public-key')).body.publicKey,
    ...(await of.get('/.well-known/jwks.json')).body.keys.flatMap(({ x, kid }: { x: string; kid: string }) => [x, kid]),
  ];
  const all = [...keysOf(server), ...keysOf(other), ...(await shown(server)), ...(await shown(other))];
  expect(all.length).toBe(2 * (purposes.length + 1) + 6);
  expect(new Set(all).size).toBe(all.length);
  for (const key of all.filter((text) => /^[0-9a-f]{64}$/.test(text)))
    expect(new Set(Buffer.from(key, 'hex')).size).toBeGreaterThan(16);
});

describe('W10: CORS', () => {
  const evil = 'https://evil.example';
  const asked = async (of: TestServer, origin: string) => {
    const preflight = {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'x-dpt-authorization',
    };
    const answers = await Promise.all([
      of.call('OPTIONS', '/profile/authenticate', { headers: preflight }),
      of.get('/health', { headers: { origin } }),
      of.post('/profile/authenticate', { headers: { origin }, json: { username: 'x', password: 'y' } }),
      of.get('/no-such-path', { headers: { origin } }),
    ]);
    return answers.map(({ headers }) => ({
      origin: headers.get('access-control-allow-origin'),
      credentials: headers.get('access-control-allow-credentials'),
    }));
  };
  const none = { origin: null, credentials: null };

  test('is off by default', async () => {
    for (const origin of [evil, 'null', server.url])
      expect(await asked(server, origin)).toEqual([none, none, none, none]);
  });

  test('names the configured origin and no other, and never takes credentials along', async () => {
    for (const origin of [evil, 'null', 'https://console.example.org.evil.example', 'http://console.example.org', '*'])
      expect([origin, await asked(other, origin)]).toEqual([origin, [none, none, none, none]]);
    const allowed = await asked(other, 'https://console.example.org');
    expect(allowed.slice(0, 3)).toEqual(Array(3).fill({ origin: 'https://console.example.org', credentials: null }));
  });

  test.each(['*', 'null', 'https://*.example.org', 'https://a.example, *'])('cannot be opened to %s', (origins) => {
    expect(() => Settings.read({ SYMBOLON_CORS_ORIGINS: origins })).toThrow('SYMBOLON_CORS_ORIGINS');
    expect(Settings.read({ SYMBOLON_CORS_ORIGINS: 'https://a.example' }).corsOrigins).toEqual(['https://a.example']);
  });
});

test.each(['', ' ', 'changeit', '0'.repeat(63), 'g'.repeat(64), `${'ab'.repeat(32)}00`])(
  'W10: the master key %j stops the start',
  (key) => expect(() => Settings.read({ SYMBOLON_MASTER_KEY: key })).toThrow('SYMBOLON_MASTER_KEY'),
);
