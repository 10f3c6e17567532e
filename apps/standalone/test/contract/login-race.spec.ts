import { password, ScriptedVoting, TestServer, withoutVoting } from '@symbolon/testing';

let server: TestServer;
let voting: ScriptedVoting;

beforeAll(async () => {
  server = await TestServer.start({ contexts: withoutVoting });
  voting = new ScriptedVoting(server);
});

afterAll(() => server.stop());

test('no token is handed out at once after the activation of a policy that holds logins', async () => {
  for (let round = 0; round < 4; round++) {
    const { username, token, profileId } = await server.profile();
    await voting.authenticator(profileId);
    const fields = { policyTemplateId: 'authentication', applyingEventIds: ['profile.authenticate'] };
    const { id } = (await server.done('/policy/register', fields, token)).body;
    const login = () => server.post('/profile/authenticate', { json: { username, password } });
    const activated = server.done('/policy/activate', { policyId: id }, token);
    const answers = await Promise.all(Array.from({ length: 12 }, login));
    await activated;
    const { rows } = await server.database.pool.query(
      `select a.data ->> 'tokenId' as "tokenId" from es.event a, es.event p
        where a.type = 'profile.authenticated' and a.data ->> 'profileId' = $1
          and p.type = 'policy.activated' and p.stream = $2 and (a.xid, a.position) > (p.xid, p.position)
          and not exists (select 1 from es.event r where r.stream = a.stream and r.type = 'profile.token_revoked')`,
      [profileId, `policies-${profileId}`],
    );
    expect(rows).toEqual([]);
    for (const { status, body } of answers) {
      expect([200, 202]).toContain(status);
      if (status !== 200) continue;
      expect((await server.get('/profile/retrieve-profile-id', { token: body.authorizationToken })).status).toBe(200);
    }
  }
});
