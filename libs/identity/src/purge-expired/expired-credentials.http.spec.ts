import { uuid7 } from '@symbolon/crypto';
import { instant, ManualClock } from '@symbolon/kernel';
import { TestApplication, type TestPair, type TestProfile, TestServer } from '@symbolon/testing';
import { DataSource } from 'typeorm';
import { batch, ExpiredCredentials } from './expired-credentials';

const day = 24 * 3600;
const clock = new ManualClock(Date.now());
let server: TestServer;
let purge: ExpiredCredentials;
let ada: TestProfile;
let application: TestApplication;

beforeAll(async () => {
  server = await TestServer.start({ clock, environment: { SYMBOLON_TOKEN_TTL: '3600' } });
  purge = server.served.app.get(ExpiredCredentials);
  ada = await server.profile();
  application = await TestApplication.of(server, ada);
});

afterAll(() => server.stop());

const count = async (sql: string): Promise<number> =>
  Number((await server.database.pool.query(`select count(*) as n from ${sql}`)).rows[0].n);
const lookups = (kind: string) => count(`keys.lookup where kind = '${kind}'`);
const prolong = (token: string) =>
  server.post('/profile/reauthorize-authorization-token', { json: { ttl: 2_592_000 }, token });

test('nothing goes that still lives, or ended a moment ago', async () => {
  await application.grantedBy(ada);
  expect(await purge.sweep()).toBe(0);
  clock.advance(3601);
  expect(await purge.sweep()).toBe(0);
  ada = { ...ada, token: await server.login(ada.username) };
  await prolong(ada.token);
});

test('sessions go a day after their end, with what leads to them', async () => {
  const [rows, secrets] = [await count('identity.session'), await lookups('authorization')];
  clock.advance(day);
  expect(await purge.sweep()).toBe(1);
  expect([await count('identity.session'), await lookups('authorization')]).toEqual([rows - 1, secrets - 1]);
  expect((await server.get('/profile/retrieve-profile-id', { token: ada.token })).status).toBe(200);
});

test('of an application, codes and tokens go when their refresh token is over', async () => {
  const pairs: TestPair[] = [await application.grantedBy(ada)];
  pairs.push((await application.refresh(pairs[0]!)).body);
  await application.code(await application.consent(ada));
  await prolong(ada.token);
  clock.advance(29 * day);
  const third = (await application.refresh(pairs[1]!)).body;
  await prolong(ada.token);
  clock.advance(2 * day + 1);
  await purge.sweep();
  // The third pair, and the authorization that it came from.
  const left = [await count('identity.oauth_token'), await lookups('oauth-access'), await lookups('oauth-refresh')];
  expect([...left, await lookups('oauth-code'), await count('identity.oauth_authorization')]).toEqual([1, 1, 1, 1, 1]);
  const fourth = await application.refresh(third);
  expect(fourth.status).toBe(200);
  clock.advance(32 * day);
  await purge.sweep();
  expect([await count('identity.oauth_token'), await count('identity.oauth_authorization')]).toEqual([0, 0]);
  for (const kind of ['oauth-access', 'oauth-refresh', 'oauth-code']) expect(await lookups(kind)).toBe(0);
});

test('many go in steps of a bounded size', async () => {
  const ids = Array.from({ length: 2 * batch + 1 }, () => uuid7());
  const over = instant(clock.millis() - 2 * day * 1000);
  await server.database.pool.query(
    `insert into identity.session (token_id, profile_id, expires_at, revoked, created_at)
     select unnest($1::uuid[]), $2, $3, false, $3`,
    [ids, ada.profileId, over],
  );
  const query = jest.spyOn(server.served.app.get(DataSource), 'query');
  const gone = await purge.sweep();
  const deleted = query.mock.calls
    .filter(([sql]) => String(sql).startsWith('delete from identity.session'))
    .map(([, params]) => (params as [string[]])[0].length);
  query.mockRestore();
  expect(gone).toBeGreaterThanOrEqual(ids.length);
  expect(deleted.slice(0, 2)).toEqual([batch, batch]);
  expect(Math.max(...deleted)).toBe(batch);
  expect(await count(`identity.session where token_id = any('{${ids.join()}}')`)).toBe(0);
});

test('after a stop no step begins', async () => {
  await server.database.pool.query(
    `insert into identity.session (token_id, profile_id, expires_at, revoked, created_at) values ($1, $2, $3, false, $3)`,
    [uuid7(), ada.profileId, instant(clock.millis() - 2 * day * 1000)],
  );
  await purge.stop();
  expect(await purge.sweep()).toBe(0);
  purge.start();
  expect(await purge.sweep()).toBe(1);
});
