import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  encodePublicKey,
  FileKeyRing,
  importX25519Private,
  KeyStore,
  openMessage,
  parsePublicKey,
  sealMessage,
} from '@symbolon/crypto';
import { ManualClock } from '@symbolon/kernel';
import { TestServer } from '@symbolon/testing';

let server: TestServer;

beforeAll(async () => {
  server = await TestServer.start();
});

afterAll(() => server.stop());

const example =
  '314205008520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6aad2a4e0766a451cb541f08d5b800e07a7e72c8f1c1160c4a85731f7bbe96614a34086e20766cdb02019543cd678cf8d55e9215ef78574e5229244f66d1fe91c4';
const signingKey = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a';

async function freshKey(token: string): Promise<string> {
  return (await server.get('/public-key/generate-keys', { token })).body.publicKey;
}

describe('19 Generate keys', () => {
  test.each(['GET', 'POST'])('%s answers a fresh pair each time', async (verb) => {
    const { token } = await server.profile({ withKey: false });
    const { status, body } = await server.call(verb, '/public-key/generate-keys', { token });
    expect(status).toBe(200);
    expect(body).toEqual({
      privateKey: expect.stringMatching(/^[0-9a-f]{64}$/),
      publicKey: expect.stringMatching(/^31420500[0-9a-f]{192}$/),
    });
    expect((await server.call(verb, '/public-key/generate-keys', { token })).body.privateKey).not.toBe(body.privateKey);
  });

  test('the private key opens what is sealed to the public one', async () => {
    const { token } = await server.profile({ withKey: false });
    const { privateKey, publicKey } = (await server.post('/public-key/generate-keys', { token })).body;
    const sealed = sealMessage(parsePublicKey(publicKey).raw, 'info', Buffer.from('text'));
    expect(openMessage([importX25519Private(privateKey)], 'info', sealed).toString()).toBe('text');
  });

  test('takes a token', async () => {
    expect((await server.get('/public-key/generate-keys')).status).toBe(401);
  });
});

describe('20 Register public key', () => {
  test('registers, then replaces; an omitted signing key removes the old one', async () => {
    const { token, profileId } = await server.profile({ withKey: false });
    const publicKey = await freshKey(token);
    const first = await server.done(
      '/public-key/register-public-key',
      { publicKey: publicKey.toUpperCase(), signingKey },
      token,
    );
    expect(first.body).toEqual({ profileId, fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/) });
    const stored = await server.get('/public-key/retrieve-public-key', { token });
    expect(stored.body).toMatchObject({ publicKey, signingKey, fingerprint: first.body.fingerprint });

    const next = await freshKey(token);
    await server.done('/public-key/register-public-key', { publicKey: next }, token);
    const replaced = await server.get('/public-key/retrieve-public-key', { token });
    expect(replaced.body).toMatchObject({ publicKey: next, signingKey: null });

    const { rows } = await server.database.pool.query('select type from es.event where stream = $1 order by version', [
      `profile-${profileId}`,
    ]);
    expect(rows.map(({ type }) => type)).toEqual([
      'profile.registered',
      'public_key.registered',
      'profile.activated',
      'public_key.replaced',
    ]);
  });

  test.each([
    ['wrong length', example.slice(2)],
    ['no hex', `zz${example.slice(2)}`],
    ['other tag', `32${example.slice(2)}`],
    ['digest mismatch', `${example.slice(0, -1)}5`],
    ['a point of low order', encodePublicKey(Buffer.alloc(32))],
    ['another point of low order', encodePublicKey(Buffer.from([1, ...Buffer.alloc(31)]))],
  ])('refuses a key with %s', async (_, publicKey) => {
    const { token } = await server.profile({ withKey: false });
    const { status, body } = await server.post('/public-key/register-public-key', { token, json: { publicKey } });
    expect([status, body.code]).toEqual([422, 'public_key.invalid']);
  });

  test('refuses a malformed signing key', async () => {
    const { token } = await server.profile({ withKey: false });
    const json = { publicKey: await freshKey(token), signingKey: 'abcd' };
    const { status, body } = await server.post('/public-key/register-public-key', { token, json });
    expect([status, body.code]).toEqual([422, 'public_key.invalid']);
  });

  test('takes the example of the contract; the fingerprint is the SHA-256 of the 100 bytes', async () => {
    const { token, profileId } = await server.profile({ withKey: false });
    const { body } = await server.done('/public-key/register-public-key', { publicKey: example }, token);
    const fingerprint = createHash('sha256').update(Buffer.from(example, 'hex')).digest('hex');
    expect(body).toEqual({ profileId, fingerprint });
    expect((await server.get('/public-key/retrieve-public-key', { token })).body).toEqual({
      publicKey: example,
      signingKey: null,
      fingerprint,
      registeredAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/),
    });
  });

  test('the same key again changes nothing and succeeds', async () => {
    const { token, profileId } = await server.profile({ withKey: false });
    const publicKey = await freshKey(token);
    for (let call = 1; call <= 2; call++) await server.done('/public-key/register-public-key', { publicKey }, token);
    const { rows } = await server.database.pool.query(
      `select count(*)::int as count from es.event where stream = $1 and type like 'public_key.%'`,
      [`profile-${profileId}`],
    );
    expect(rows).toEqual([{ count: 1 }]);
  });

  test('requires a key', async () => {
    const { token } = await server.profile({ withKey: false });
    const { status, body } = await server.post('/public-key/register-public-key', { token, json: {} });
    expect([status, body.code, Object.keys(body.errors)]).toEqual([422, 'validation_failed', ['publicKey']]);
  });

  test('is rejected for a key of another profile, and for a device that is not mine', async () => {
    const one = await server.profile({ withKey: false });
    const other = await server.profile({ withKey: false });
    const publicKey = await freshKey(one.token);
    await server.done('/public-key/register-public-key', { publicKey }, one.token);
    const taken = await server.post('/public-key/register-public-key', {
      token: other.token,
      json: { publicKey },
      wait: 10,
    });
    expect(taken.body.reason).toBe('public_key.already_in_use');

    const json = { publicKey: await freshKey(one.token), deviceIdentifier: other.profileId };
    const foreign = await server.post('/public-key/register-public-key', { token: one.token, json, wait: 10 });
    expect(foreign.body.reason).toBe('device.not_found');
  });

  test('a profile is no device of its own', async () => {
    const { token, profileId } = await server.profile();
    const json = { publicKey: await freshKey(token), deviceIdentifier: profileId };
    const { body } = await server.post('/public-key/register-public-key', { token, json, wait: 10 });
    expect([body.status, body.reason]).toEqual(['rejected', 'device.not_found']);
    const path = `/public-key/retrieve-public-key?deviceIdentifier=${profileId}`;
    expect((await server.get(path, { token })).status).toBe(404);
  });
});

describe('21 Retrieve public key', () => {
  test('answers 404 while none is registered', async () => {
    const { token } = await server.profile({ withKey: false });
    const { status, body } = await server.get('/public-key/retrieve-public-key', { token });
    expect([status, body.code]).toEqual([404, 'public_key.not_registered']);
  });

  test('answers 404 for a device that is not mine and records the attempt', async () => {
    const { token, profileId } = await server.profile({ withKey: false });
    const other = await server.profile();
    const { status, body } = await server.get(`/public-key/retrieve-public-key?deviceIdentifier=${other.profileId}`, {
      token,
    });
    expect([status, body.code]).toEqual([404, 'not_found']);
    const { rows } = await server.database.pool.query('select data from es.event where stream = $1', [
      `audit-${profileId}`,
    ]);
    expect(rows.map(({ data }) => data.code)).toEqual(['not_found']);
  });
});

describe('22 Retrieve CAB public key', () => {
  test.each(['/dptcab/public-key', '/public-key/retrieve-cab-public-key'])(
    '%s answers it without a token',
    async (path) => {
      const { status, body } = await server.get(path);
      expect(status).toBe(200);
      expect(body).toEqual({
        publicKey: expect.stringMatching(/^31420500[0-9a-f]{192}$/),
        keyId: expect.any(String),
        createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/),
      });
    },
  );
});

test('the signing keys are public, as a JWK set', async () => {
  const { status, body, headers } = await server.get('/.well-known/jwks.json');
  expect(status).toBe(200);
  expect(headers.get('content-type')).toContain('application/jwk-set+json');
  expect(headers.get('cache-control')).toBe('max-age=3600');
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: expect.any(String), kid: expect.any(String), use: 'sig', alg: 'EdDSA' };
  expect(body).toEqual({ keys: [jwk] });
  const [{ crv, kty, x, kid }] = body.keys;
  const thumbprint = createHash('sha256').update(JSON.stringify({ crv, kty, x })).digest('base64url');
  expect(kid).toBe(thumbprint);
});

describe('a key that nobody uses any more', () => {
  const register = (token: string, publicKey: string, more: object = {}) =>
    server.post('/public-key/register-public-key', { token, json: { publicKey, ...more }, wait: 30 });
  const outcome = async (token: string, publicKey: string, more: object = {}) => {
    const { body } = await register(token, publicKey, more);
    return body.reason ?? body.status;
  };
  const taken = 'public_key.already_in_use';

  test('can be registered by anybody once it was replaced, and not before', async () => {
    const [ada, eve] = [await server.profile({ withKey: false }), await server.profile({ withKey: false })];
    const [first, second] = [await freshKey(ada.token), await freshKey(ada.token)];
    await server.done('/public-key/register-public-key', { publicKey: first }, ada.token);
    expect(await outcome(eve.token, first)).toBe(taken);
    await server.done('/public-key/register-public-key', { publicKey: second }, ada.token);
    expect(await outcome(eve.token, second)).toBe(taken);
    expect(await outcome(eve.token, first)).toBe('succeeded');
    expect(await outcome(ada.token, first)).toBe(taken);
    expect((await server.get('/public-key/retrieve-public-key', ada)).body.publicKey).toBe(second);
  });

  test('stays taken while only its signing key changes', async () => {
    const [ada, eve] = [await server.profile({ withKey: false }), await server.profile({ withKey: false })];
    const publicKey = await freshKey(ada.token);
    for (const more of [{}, { signingKey }, {}, { signingKey }]) {
      expect(await outcome(ada.token, publicKey, more)).toBe('succeeded');
      expect(await outcome(eve.token, publicKey)).toBe(taken);
    }
  });

  test('a command that changed nothing, or was refused, holds nothing', async () => {
    const [ada, eve] = [await server.profile({ withKey: false }), await server.profile({ withKey: false })];
    const [first, second] = [await freshKey(ada.token), await freshKey(ada.token)];
    for (let call = 1; call <= 3; call++) expect(await outcome(ada.token, first)).toBe('succeeded');
    expect(await outcome(ada.token, second)).toBe('succeeded');
    expect(await outcome(eve.token, first)).toBe('succeeded');
  });

  test('of a device that was removed is free as well', async () => {
    const ada = await server.profile();
    const device = (deviceName: string, publicKey?: string) =>
      server.done('/device/request-unique-identifier', { deviceName, publicKey }, ada.token);
    const publicKey = await freshKey(ada.token);
    const { deviceIdentifier } = (await device('one', publicKey)).body;
    const again = { deviceName: 'two', publicKey };
    const before = await server.post('/device/request-unique-identifier', { json: again, token: ada.token, wait: 30 });
    expect(before.body.reason).toBe(taken);
    await server.done('/device/reject-device', { deviceIdentifier }, ada.token);
    await device('two', publicKey);
  });

  test('under any race a key has one owner, and whoever shows it holds its claim', async () => {
    const profiles = await Promise.all(Array.from({ length: 3 }, () => server.profile({ withKey: false })));
    const keys = await Promise.all(Array.from({ length: 2 }, () => freshKey(profiles[0]!.token)));
    for (let round = 0; round < 6; round++) {
      await Promise.all(
        profiles.flatMap(({ token }, n) =>
          [0, 1, 2].map((m) => register(token, keys[(n + m + round) % 2]!, m === 2 ? { signingKey } : {})),
        ),
      );
      const owners = await Promise.all(
        profiles.map(async ({ token }) => (await server.get('/public-key/retrieve-public-key', { token })).body),
      );
      const used = owners.flatMap(({ publicKey }) => publicKey ?? []);
      expect(new Set(used).size).toBe(used.length);
      const stranger = await server.profile({ withKey: false });
      for (const publicKey of keys) {
        const free = !used.includes(publicKey);
        expect(await outcome(stranger.token, publicKey)).toBe(free ? 'succeeded' : taken);
      }
      const parked = await freshKey(stranger.token);
      expect(await outcome(stranger.token, parked)).toBe('succeeded');
    }
  });
});

describe('forms that are no key', () => {
  const p = 2n ** 255n - 19n;
  const points: ReadonlyArray<readonly [string, bigint]> = [
    ['0', 0n],
    ['1', 1n],
    ['p - 1', p - 1n],
    ['p', p],
    ['p + 1', p + 1n],
    ['one of order 8', 325606250916557431795983626356110631294008115727848805560023387167927233504n],
    ['the other of order 8', 39382357235489614581723060781553021112529911719440698176882885853963445705823n],
  ];
  const bytesOf = (u: bigint) => Buffer.from(u.toString(16).padStart(64, '0'), 'hex').reverse();
  const lowOrder = points.flatMap(([name, u]) => [
    [name, bytesOf(u)] as const,
    [`${name}, top bit set`, bytesOf(u | (1n << 255n))] as const,
  ]);
  const flipped = (at: number) => {
    const bytes = Buffer.from(example, 'hex');
    bytes[at]! ^= 1;
    return bytes.toString('hex');
  };
  const cases: ReadonlyArray<readonly [string, string]> = [
    ['199 digits', example.slice(1)],
    ['201 digits', `${example}0`],
    ['the 32 bytes alone', example.slice(8, 72)],
    ['0x before it', `0x${example.slice(2)}`],
    ['a digit that is none', `${example.slice(0, 100)}g${example.slice(101)}`],
    ['white space around it', ` ${example.slice(1)}`],
    ['full-width digits', example.replace('3', '３')],
    ['base64', Buffer.from(example, 'hex').toString('base64')],
    ...[0, 1, 2, 3].map((at) => [`byte ${at} of the tag changed`, flipped(at)] as const),
    ...[4, 20, 35].map((at) => [`byte ${at} of the point changed`, flipped(at)] as const),
    ...[36, 68, 99].map((at) => [`byte ${at} of the digest changed`, flipped(at)] as const),
    ['the digest of another key', example.slice(0, 72) + encodePublicKey(Buffer.alloc(32, 9)).slice(72)],
    ['a digest of the point without the tag', `${example.slice(0, 72)}${'00'.repeat(64)}`],
    ...lowOrder.map(([name, raw]) => [`the point of low order ${name}`, encodePublicKey(raw)] as const),
  ];
  let token: string;
  beforeAll(async () => {
    ({ token } = await server.profile({ withKey: false }));
  });

  test.each(cases)('%s is refused with 422', async (_, publicKey) => {
    const { status, body } = await server.post('/public-key/register-public-key', { token, json: { publicKey } });
    expect([status, body.code]).toEqual([422, 'public_key.invalid']);
    expect(Object.keys(body.errors)).toEqual(['publicKey']);
    expect((await server.get('/public-key/retrieve-public-key', { token })).status).toBe(404);
  });

  test.each([
    ['62 digits', signingKey.slice(2)],
    ['66 digits', `${signingKey}00`],
    ['no hex', `zz${signingKey.slice(2)}`],
  ])('a signing key of %s as well', async (_, key) => {
    const json = { publicKey: await freshKey(token), signingKey: key };
    const { status, body } = await server.post('/public-key/register-public-key', { token, json });
    expect([status, body.code, Object.keys(body.errors)]).toEqual([422, 'public_key.invalid', ['signingKey']]);
  });

  test('what differs from them by nothing is taken: the controls', async () => {
    for (const publicKey of [example.toUpperCase(), encodePublicKey(Buffer.from([9, ...Buffer.alloc(31)]))]) {
      const { token: one } = await server.profile({ withKey: false });
      const { status, body } = await server.post('/public-key/register-public-key', {
        token: one,
        json: { publicKey },
        wait: 30,
      });
      expect([status, body.reason === null || body.reason === 'public_key.already_in_use']).toEqual([200, true]);
    }
  });
});

describe('rotation of the server’s keys', () => {
  const day = 24 * 3600 * 1000;
  const sealedTo = (publicKey: string) => sealMessage(parsePublicKey(publicKey).raw, 'info', Buffer.from('text'));
  const opens = (keys: KeyStore, sealed: Buffer) => {
    try {
      return openMessage(keys.sealKeys().private, 'info', sealed).toString() === 'text';
    } catch {
      return false;
    }
  };

  test('22 shows the new key; what was sealed to the one before opens for 30 more days', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'symbolon-ring-'));
    try {
      const clock = new ManualClock(Date.now());
      const ring = await FileKeyRing.open({
        path: join(dir, 'key-ring.sym'),
        masterPath: join(dir, 'key-ring.master'),
        clock,
      });
      const keys = new KeyStore(server.database.pool, ring, clock);
      const before = keys.sealKeys();
      const sealed = sealedTo(before.publicKey);
      clock.advance(1);
      await keys.rotate('engine-seal');
      const after = keys.sealKeys();
      expect([after.publicKey === before.publicKey, after.keyId === before.keyId]).toEqual([false, false]);
      expect(Date.parse(after.createdAt)).toBeGreaterThan(Date.parse(before.createdAt));
      for (const days of [0, 15, 14.9]) {
        clock.advance((days * day) / 1000);
        expect([opens(keys, sealed), opens(keys, sealedTo(after.publicKey))]).toEqual([true, true]);
      }
      clock.advance((0.2 * day) / 1000);
      expect([opens(keys, sealed), opens(keys, sealedTo(after.publicKey))]).toEqual([false, true]);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  test('a running server answers with the key of its ring from the rotation on', async () => {
    const own = await TestServer.start();
    try {
      const first = (await own.get('/dptcab/public-key')).body;
      const sealed = sealedTo(first.publicKey);
      const keys = own.served.app.get(KeyStore);
      await keys.rotate('engine-seal');
      const second = (await own.get('/dptcab/public-key')).body;
      expect(second.publicKey).not.toBe(first.publicKey);
      expect(second.keyId).not.toBe(first.keyId);
      expect(opens(keys, sealed)).toBe(true);
    } finally {
      await own.stop();
    }
  });
});
