import { EventStore, ManualClock } from '@symbolon/kernel';
import { ProjectionRunner } from '@symbolon/projection';
import { password, TestApplication, TestServer } from '@symbolon/testing';
import { ExpiredCredentials } from '../purge-expired/expired-credentials';
import { oauthList } from './oauth-list.projection';

const clock = new ManualClock(Date.now());
let server: TestServer;

beforeAll(async () => {
  server = await TestServer.start({ clock });
});
afterAll(() => server.stop());

async function rows(): Promise<object> {
  const { pool } = server.database;
  return Object.fromEntries(
    await Promise.all(
      oauthList.tables.map(async (table) => [table, (await pool.query(`select * from ${table} order by 1`)).rows]),
    ),
  );
}

async function rebuild(): Promise<void> {
  const { app } = server.served;
  const store = app.get(EventStore);
  const tail = await store.tail();
  await app.get(ProjectionRunner).rebuild(oauthList.name);
  for (;;) {
    const { rows: found } = await server.database.pool.query('select cursor from engine.checkpoint where name = $1', [
      oauthList.name,
    ]);
    const cursor = found[0].cursor as string | null;
    if (cursor !== null && store.reached(cursor, tail!)) return;
    await new Promise(setImmediate);
  }
}

test('made anew from the log, applications and what they were granted stand as before', async () => {
  const [ada, eve, zoe] = [await server.profile(), await server.profile(), await server.profile()];
  const [application, gone] = [await TestApplication.of(server, ada), await TestApplication.of(server, zoe)];
  const refreshed = await application.grantedBy(eve);
  const live = (await application.refresh(refreshed)).body;
  await application.code(await application.consent(eve));
  await application.consent(eve);
  await server.post('/profile/revoke-authorization-token', { token: (await application.grantedBy(eve)).token });
  const withdrawn = await application.grantedBy(ada);
  const { applicationId } = application;
  await server.post('/profile/revoke-authorization-token', { json: { applicationId }, token: ada.token });
  const late = await application.grantedBy(ada);
  await gone.grantedBy(eve);
  await server.post('/profile/delete-account', { json: { password }, token: zoe.token, wait: 30 });
  const status = async (token: string) => (await server.get('/profile/retrieve-profile-id', { token })).status;
  expect(await status(zoe.token)).toBe(401);

  const before = await rows();
  await rebuild();
  expect(await rows()).toEqual(before);
  expect([await status(live.token), await status(late.token)]).toEqual([200, 200]);
  expect([await status(refreshed.token), await status(withdrawn.token)]).toEqual([401, 401]);
  expect(await status(eve.token)).toBe(200);
});

test('what had expired comes back as it was, and goes again', async () => {
  const purge = server.served.app.get(ExpiredCredentials);
  clock.advance(40 * 24 * 3600);
  await purge.sweep();
  const before = await rows();
  await rebuild();
  expect(await rows()).not.toEqual(before);
  await purge.sweep();
  expect(await rows()).toEqual(before);
});
