import { PersonalBoxes } from '@symbolon/crypto';
import { TestServer } from '@symbolon/testing';

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
