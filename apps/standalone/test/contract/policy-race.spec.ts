import { freePort, ScriptedVoting, type TestProfile, TestServer, withoutVoting } from '@symbolon/testing';

const callers = 6;
const rounds = 6;

/** Section 14: once an activation is reported, no command that it matches runs without its vote. */
describe.each([1, 2])('activating a policy while commands stream in, %d servers on one log', (count) => {
  const servers: TestServer[] = [];
  let ada: TestProfile;
  let voting: ScriptedVoting;

  beforeAll(async () => {
    const first = await TestServer.start({ contexts: withoutVoting });
    servers.push(first);
    while (servers.length < count) {
      const on = { database: first.database, dataDir: first.dataDir, port: await freePort() };
      servers.push(await TestServer.start({ contexts: withoutVoting, on }));
    }
    ada = await first.profile();
    voting = new ScriptedVoting(first);
    await voting.authenticator(ada.profileId);
  });
  afterAll(async () => {
    const [first, ...others] = servers.splice(0);
    for (const server of others) await server.stop({ keep: true });
    await first?.stop();
  });

  test('is final for all of them at once', async () => {
    const [first] = servers as [TestServer];
    const policy = { policyTemplateId: 'data_change', applyingEventIds: ['data_token.space_reserved'] };
    const { id: policyId } = (await first.done('/policy/register', policy, ada.token)).body;
    const later = new Map<string, boolean>();
    for (let round = 0; round < rounds; round++) {
      let active = false;
      let enough = false;
      const streaming = Array.from({ length: callers }, async (_, caller) => {
        const server = servers[caller % servers.length]!;
        // A few more after the activation, on every server.
        for (let after = 0; !enough || after < 3;) {
          const begunAfter = active;
          const { body } = await server.post('/data-token/reserve-token-space', {
            json: { context: 'a' },
            token: ada.token,
          });
          later.set(body.commandId, begunAfter);
          if (begunAfter) after++;
        }
      });
      await servers.at(-1)!.done('/policy/activate', { policyId }, ada.token);
      active = enough = true;
      await Promise.all(streaming);
      await first.done('/policy/deactivate', { policyId }, ada.token);
    }

    expect([...later.values()].filter(Boolean).length).toBeGreaterThanOrEqual(callers * rounds);
    const unvoted: string[] = [];
    for (const [commandId, begunAfter] of later) {
      const types = await voting.types(`command-${commandId}`);
      if (begunAfter && (types.includes('command.cleared') || types.includes('command.succeeded')))
        unvoted.push(commandId);
    }
    expect(unvoted).toEqual([]);

    // The log itself says it for every command: cleared with its acceptance only while the policy was not active.
    const { rows } = await first.database.pool.query<{ type: string; held: boolean }>(
      `select type, data ? 'held' as held from es.event
        where type in ('policy.activated', 'policy.deactivated')
           or type = 'command.accepted' and data->>'commandType' = 'data-token/reserve-token-space'
        order by xid, position`,
    );
    let active = false;
    let free = 0;
    for (const { type, held } of rows) {
      if (type !== 'command.accepted') active = type === 'policy.activated';
      else if (active) expect(held).toBe(true);
      else if (!held) free++;
    }
    expect(free).toBeGreaterThan(0);
    expect(rows.filter(({ type }) => type === 'policy.activated')).toHaveLength(rounds);
  });
});
