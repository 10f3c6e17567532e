import { createHash } from 'node:crypto';
import { encodePublicKey, importX25519Private, openMessage, parsePublicKey, sealMessage } from '@symbolon/crypto';
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
