import { KeyStore, PersonalBoxes } from '@symbolon/crypto';
import { ManualClock } from '@symbolon/kernel';
import { password, TestServer } from '@symbolon/testing';

test('a verifier made with other values is replaced at the next successful login, once', async () => {
  const weak = await TestServer.start();
  const { username, profileId } = await weak.profile({ withKey: false });
  await weak.stop({ keep: true });
  const on = { database: weak.database, dataDir: weak.dataDir, port: weak.port };
  const strong = await TestServer.start({ on, environment: { SYMBOLON_ARGON2_ITERATIONS: '3' } });
  try {
    const wrong = { username, password: 'not the right one' };
    await strong.post('/profile/authenticate', { json: wrong });
    for (let login = 1; login <= 2; login++) await strong.login(username);
    const { rows } = await strong.database.pool.query(
      `select * from es.event where stream = $1 and data ? 'sealed' order by revision`,
      [`profile-${profileId}`],
    );
    expect(rows.map(({ type }) => type)).toEqual(['profile.registered', 'profile.verifier_renewed']);
    const boxes = strong.served.app.get(PersonalBoxes);
    const verifiers = await Promise.all(rows.map(async (row) => (await boxes.open(row, profileId))?.['passwordHash']));
    expect(verifiers).toEqual([expect.stringContaining('t=2'), expect.stringContaining('t=3')]);
  } finally {
    await strong.stop();
  }
});

test('a verifier under an older pepper as well', async () => {
  const server = await TestServer.start();
  try {
    const { username, profileId } = await server.profile({ withKey: false });
    await server.served.app.get(KeyStore).rotate('password');
    for (let login = 1; login <= 2; login++) await server.login(username);
    const { rows } = await server.database.pool.query(
      `select * from es.event where stream = $1 and data ? 'sealed' order by revision`,
      [`profile-${profileId}`],
    );
    expect(rows.map(({ type }) => type)).toEqual(['profile.registered', 'profile.verifier_renewed']);
    const boxes = server.served.app.get(PersonalBoxes);
    const peppers = await Promise.all(
      rows.map(async (row) => String((await boxes.open(row, profileId))?.['passwordHash']).split('#')[1]),
    );
    expect(new Set(peppers).size).toBe(2);
  } finally {
    await server.stop();
  }
});

test.each([true, false])('a lock outlives a restart (known name: %s)', async (known) => {
  const clock = new ManualClock(Date.now());
  const first = await TestServer.start({ clock });
  const username = known ? (await first.profile({ withKey: false })).username : 'ghost@example.org';
  const attempt = (server: TestServer, secret: string) =>
    server.post('/profile/authenticate', { json: { username, password: secret } });
  for (let failure = 1; failure <= 5; failure++) expect((await attempt(first, 'wrong password')).status).toBe(401);
  await first.stop({ keep: true });
  const on = { database: first.database, dataDir: first.dataDir, port: first.port };
  const second = await TestServer.start({ on, clock });
  try {
    const { status, body, headers } = await attempt(second, password);
    expect([status, body.code, headers.get('retry-after')]).toEqual([429, 'profile.login_locked', '1']);
    clock.advance(1);
    expect((await attempt(second, 'wrong password')).status).toBe(401);
    expect((await attempt(second, password)).headers.get('retry-after')).toBe('2');
  } finally {
    await second.stop();
  }
});
