import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type AssertedCall,
  Assertions,
  ed25519Public,
  generateEd25519,
  jwkThumbprint,
  KeyStore,
} from '@symbolon/crypto';
import { serve, type Served } from '@symbolon/gateway';
import { claimsOf, type Session } from '@symbolon/http';
import { identityMigrations, IdentityModule } from '@symbolon/identity';
import { ManualClock } from '@symbolon/kernel';
import { createLogger } from '@symbolon/observe';
import { Settings } from '@symbolon/settings';
import { type FreshDatabase, freshDatabase, freePort } from '@symbolon/testing';
import { UnsecuredJWT } from 'jose';

const path = '/profile/retrieve-profile-id';
const call: AssertedCall = { audience: 'identity', method: 'GET', url: path };
const clock = new ManualClock(Date.now());
const session: Session = {
  tokenId: '0193b4c6-1f2e-7a41-b7d5-2c9e4a6f8b10',
  profileId: '0193b4c6-1f2e-7a41-b7d5-2c9e4a6f8b11',
  kind: 'user',
  hasPublicKey: true,
  expiresAt: '2099-01-01T00:00:00.000+00:00',
};
const claims = claimsOf({
  session,
  application: null,
  accessToken: null,
  address: { ip: '192.0.2.7', userAgent: 'curl/8.5', location: null },
  requestId: '0193b4c6-1f2e-7a41-b7d5-2c9e4a6f8b12',
});

let database: FreshDatabase;
let dataDir: string;
let served: Served;
let url: string;
let gateway: Assertions;
let publicUrl: string;

beforeAll(async () => {
  database = await freshDatabase();
  dataDir = await mkdtemp(join(tmpdir(), 'symbolon-trust-'));
  const port = await freePort();
  const settings = Settings.read({
    SYMBOLON_DATA_DIR: dataDir,
    SYMBOLON_SERVICES: `identity=127.0.0.1:${port}`,
    SYMBOLON_LOG_LEVEL: 'silent',
  });
  ({ publicUrl } = settings);
  served = await serve({
    part: 'identity',
    settings,
    databaseUrl: database.url,
    dataDir,
    clock,
    logger: createLogger({ level: 'silent' }),
    modules: [IdentityModule],
    migrations: identityMigrations,
    entities: [],
  });
  url = `http://127.0.0.1:${port}`;
  gateway = new Assertions(served.app.get(KeyStore), publicUrl, clock);
});

afterAll(async () => {
  await served.close();
  await database.drop();
  await rm(dataDir, { recursive: true, force: true });
});

async function ask(assertion: string | null, at = path, init: RequestInit = {}): Promise<Response> {
  const headers = { ...(assertion === null ? {} : { 'x-symbolon-assertion': assertion }) };
  return fetch(`${url}${at}`, { ...init, headers: { ...headers, ...(init.headers as object) } });
}

test('a service answers the caller whom the assertion names', async () => {
  const answer = await ask(gateway.make(call, claims));
  expect([answer.status, await answer.json()]).toEqual([200, { profileId: session.profileId }]);
});

test('its own probes need none, and show nothing of a context', async () => {
  expect((await ask(null, '/health/ready')).status).toBe(200);
  expect((await ask(null, '/health/live')).status).toBe(200);
  expect((await ask(null, '/openapi.json')).status).toBe(404);
});

const stranger = generateEd25519().privateKey;
const x = ed25519Public(stranger).toString('base64url');
const kid = jwkThumbprint('Ed25519', ed25519Public(stranger));

test.each<[string, () => string | null]>([
  ['no assertion', () => null],
  ['an empty one', () => ''],
  ['one for another service', () => gateway.make({ ...call, audience: 'token-vault' }, claims)],
  ['one for another path', () => gateway.make({ ...call, url: '/public-key/retrieve-public-key' }, claims)],
  ['one for another query', () => gateway.make({ ...call, url: `${path}?x=1` }, claims)],
  ['one for another method', () => gateway.make({ ...call, method: 'POST' }, claims)],
  [
    'one of another installation',
    () => new Assertions(served.app.get(KeyStore), 'https://elsewhere.example.org', clock).make(call, claims),
  ],
  [
    'one under another key',
    () =>
      new Assertions(
        { signKey: () => ({ kid, private: stranger }), jwks: () => ({ keys: [{ kid, x }] }) },
        publicUrl,
        clock,
      ).make(call, claims),
  ],
  [
    'one under another key that bears the name of ours',
    () => {
      const ours = served.app.get(KeyStore).signKey().kid;
      const keys = { signKey: () => ({ kid: ours, private: stranger }), jwks: () => ({ keys: [] }) };
      return new Assertions(keys, publicUrl, clock).make(call, claims);
    },
  ],
  ['one without a signature', () => new UnsecuredJWT({ ...claims, aud: 'identity', iss: publicUrl }).encode()],
  [
    'one whose claims were changed',
    () => {
      const [header, payload, signature] = gateway.make(call, claims).split('.');
      const other = {
        ...JSON.parse(Buffer.from(payload!, 'base64url').toString()),
        ses: { ...session, kind: 'device' },
      };
      return `${header}.${Buffer.from(JSON.stringify(other)).toString('base64url')}.${signature}`;
    },
  ],
  [
    'one that is over',
    () => {
      const past = new ManualClock(clock.millis() - 36_000);
      return new Assertions(served.app.get(KeyStore), publicUrl, past).make(call, claims);
    },
  ],
  [
    'one that is yet to begin',
    () => {
      const ahead = new ManualClock(clock.millis() + 10_000);
      return new Assertions(served.app.get(KeyStore), publicUrl, ahead).make(call, claims);
    },
  ],
])('%s is answered 401', async (_, make) => {
  const answer = await ask(make());
  expect(answer.status).toBe(401);
  expect(await answer.json()).toMatchObject({ code: 'unauthorized' });
});

test('an assertion is taken once', async () => {
  const assertion = gateway.make(call, claims);
  expect((await ask(assertion)).status).toBe(200);
  expect((await ask(assertion)).status).toBe(401);
});

test('neither a token nor Basic credentials stand in for one', async () => {
  const token = `T-${'x'.repeat(43)}`;
  for (const headers of [
    { 'x-dpt-authorization': token },
    { authorization: `Bearer ${token}` },
    { authorization: `Basic ${Buffer.from('a:b').toString('base64')}` },
  ]) {
    expect((await ask(null, path, { headers: headers as unknown as Record<string, string> })).status).toBe(401);
  }
});

test('an assertion holds neither tokens nor keys, only ids and where the call comes from', () => {
  const [, payload] = gateway.make(call, claims).split('.');
  const shown = JSON.parse(Buffer.from(payload!, 'base64url').toString());
  expect(Object.keys(shown).sort()).toEqual(['adr', 'aud', 'cid', 'exp', 'iat', 'iss', 'jti', 'req', 'ses']);
  expect(shown.exp - shown.iat).toBeLessThanOrEqual(60);
});
