import type { KeyObject } from 'node:crypto';
import { ManualClock } from '@symbolon/kernel';
import { createLocalJWKSet, type JWTHeaderParameters, jwtVerify, SignJWT, UnsecuredJWT } from 'jose';
import { jwkThumbprint } from '../seal/x25519';
import { AssertionError, type AssertionKeys, Assertions } from './assertion';
import { ed25519Public, generateEd25519 } from './ed25519';
import { signStatement } from './statement';

const issuer = 'https://vault.example.org';
const call = { audience: 'token-vault', method: 'POST', url: '/data-token/delete-data?x=1' };
const claims = { sub: 'someone', kind: 'user' };
const typ = 'symbolon-assertion+jwt';

let clock: ManualClock;
let pair: ReturnType<typeof generateEd25519>;
let made: Assertions;

beforeEach(() => {
  clock = new ManualClock(Date.parse('2026-02-21T15:33:44Z'));
  pair = generateEd25519();
  made = new Assertions(keysOf(pair.privateKey), issuer, clock);
});

function keysOf(signing: KeyObject, ...others: KeyObject[]): AssertionKeys {
  return {
    signKey: () => ({ kid: kidOf(signing), private: signing }),
    jwks: () => ({
      keys: [signing, ...others].map((key) => ({
        kty: 'OKP',
        crv: 'Ed25519',
        kid: kidOf(key),
        x: ed25519Public(key).toString('base64url'),
      })),
    }),
  };
}

function kidOf(key: KeyObject): string {
  return jwkThumbprint('Ed25519', ed25519Public(key));
}

/** Another process of the installation. */
function service(keys = keysOf(pair.privateKey)): Assertions {
  return new Assertions(keys, issuer, clock);
}

function faultOf(text: string, at = call): string | null {
  try {
    service().take(text, at);
    return null;
  } catch (error) {
    if (error instanceof AssertionError) return error.fault;
    throw error;
  }
}

async function byJose(
  change: Record<string, unknown>,
  header: Partial<JWTHeaderParameters> = {},
  key = pair.privateKey,
) {
  const now = clock.millis() / 1000;
  const [, payload] = made.make(call, claims).split('.');
  const full = { ...JSON.parse(Buffer.from(payload!, 'base64url').toString()), iat: now, ...change };
  return new SignJWT(full).setProtectedHeader({ alg: 'EdDSA', typ, kid: kidOf(key), ...header }).sign(key);
}

test('tells another process who calls, for thirty seconds', () => {
  const [first, second] = [made.make(call, claims), made.make(call, claims)];
  expect(service().take(first, call)).toMatchObject({ ...claims, iss: issuer, aud: 'token-vault' });
  clock.advance(34);
  expect(service().take(second, call)).toMatchObject(claims);
  clock.advance(1);
  expect(faultOf(second)).toBe('expired');
});

test('is an ordinary JWT to jose, and takes what jose has made', async () => {
  const options = {
    issuer,
    audience: 'token-vault',
    typ,
    algorithms: ['EdDSA'],
    currentDate: new Date(clock.millis()),
  };
  const jwks = createLocalJWKSet(keysOf(pair.privateKey).jwks() as never);
  const { payload, protectedHeader } = await jwtVerify(made.make(call, claims), jwks, options);
  expect(payload).toMatchObject(claims);
  expect(protectedHeader).toEqual({ alg: 'EdDSA', typ, kid: kidOf(pair.privateKey) });
  expect(faultOf(await byJose({}))).toBeNull();
});

test.each([
  ['another issuer', { iss: 'https://elsewhere.example.org' }, 'claims'],
  ['another service', { aud: 'identity' }, 'claims'],
  ['several audiences', { aud: ['token-vault', 'identity'] }, 'claims'],
  ['no audience', { aud: undefined }, 'claims'],
  ['no id', { jti: undefined }, 'claims'],
  ['no end', { exp: undefined }, 'claims'],
  ['no call', { req: undefined }, 'claims'],
  ['a longer life than ours', { exp: Date.parse('2026-02-21T15:40:00Z') / 1000 }, 'expired'],
  ['a beginning in the future', { iat: Date.parse('2026-02-21T15:34:10Z') / 1000 }, 'expired'],
])('%s is refused', async (_, change, fault) => {
  expect(faultOf(await byJose(change))).toBe(fault);
});

test.each([
  ['path', { ...call, url: '/data-token/request-data?x=1' }],
  ['query', { ...call, url: '/data-token/delete-data?x=2' }],
  ['method', { ...call, method: 'GET' }],
  ['service', { ...call, audience: 'identity' }],
])('what was made for one %s is refused at another', (_, other) => {
  expect(faultOf(made.make(call, claims), other)).toBe('claims');
});

test('counts once', () => {
  const text = made.make(call, claims);
  const receiver = service();
  receiver.take(text, call);
  expect(() => receiver.take(text, call)).toThrow(expect.objectContaining({ fault: 'replayed' }));
  clock.advance(60);
  expect(receiver.take(made.make(call, claims), call)).toMatchObject(claims);
});

test('another key, also under our key’s name, is refused', async () => {
  const stranger = generateEd25519().privateKey;
  expect(faultOf(await byJose({}, {}, stranger))).toBe('signer');
  expect(faultOf(await byJose({}, { kid: kidOf(pair.privateKey) }, stranger))).toBe('signer');
});

test('what bears no EdDSA signature, or further header members, is refused', async () => {
  expect(faultOf(new UnsecuredJWT(claims).encode())).toBe('malformed');
  const [, payload, signature] = made.make(call, claims).split('.');
  const header = (members: object) => Buffer.from(JSON.stringify(members)).toString('base64url');
  const kid = kidOf(pair.privateKey);
  expect(faultOf(`${header({ alg: 'none', typ, kid })}.${payload}.${signature}`)).toBe('malformed');
  expect(faultOf(`${header({ alg: 'EdDSA', typ, kid })}.${payload}.`)).toBe('malformed');
  expect(faultOf(await byJose({}, { jku: 'https://elsewhere.example.org/keys' }))).toBe('malformed');
});

test('another kind of statement under the same key is no assertion', () => {
  const now = clock.millis() / 1000;
  const ballot = signStatement(pair.privateKey, 'symbolon-ballot+jwt', { iss: issuer, aud: 'token-vault', iat: now });
  expect(faultOf(ballot)).toBe('malformed');
});

test('a changed claim is refused', () => {
  const [header, payload, signature] = made.make(call, claims).split('.');
  const changed = { ...JSON.parse(Buffer.from(payload!, 'base64url').toString()), sub: 'somebody else' };
  const text = `${header}.${Buffer.from(JSON.stringify(changed)).toString('base64url')}.${signature}`;
  expect(faultOf(text)).toBe('signer');
});

test('an older key counts while it is published, a withdrawn one ten seconds more', () => {
  const next = generateEd25519().privateKey;
  const receiver = new Assertions(keysOf(next, pair.privateKey), issuer, clock);
  expect(receiver.take(made.make(call, claims), call)).toMatchObject(claims);
  const keys = keysOf(pair.privateKey);
  const strict = new Assertions({ ...keys, jwks: () => current.jwks() }, issuer, clock);
  let current = keys;
  strict.take(made.make(call, claims), call);
  current = keysOf(next);
  clock.advance(11);
  expect(() => strict.take(made.make(call, claims), call)).toThrow(expect.objectContaining({ fault: 'signer' }));
});
