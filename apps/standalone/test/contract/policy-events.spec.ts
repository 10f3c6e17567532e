import { PersonalBoxes } from '@symbolon/crypto';
import { EventStore, type Recorded } from '@symbolon/kernel';
import { ScriptedVoting, type TestProfile, TestServer, withoutVoting } from '@symbolon/testing';

/** Section 18, and what processes keep besides: fields in the clear, fields in the box of the profile. */
const fields: Record<string, readonly [clear: string, personal?: string]> = {
  'policy.registered': [
    'id profileId name policyTemplateId applyingEventIds votingConfigurationId',
    'configuration ip userAgent',
  ],
  'policy.activated': ['id', 'ip userAgent'],
  'policy.deactivated': ['id', 'ip userAgent'],
  'policy.deleted': ['id', 'ip userAgent'],
  'policy.matched': ['id commandId policyEventId poolId'],
  'policy.gate_opened': ['commandId profileId commandType policyEventId op chains', 'opNonce title question context'],
  'policy.gate_waived': ['commandId profileId'],
  'policy.chain_settled': ['commandId poolId reason'],
  'policy.gate_released': ['commandId profileId'],
  'policy.gate_denied': ['commandId profileId reason cancel'],
  'command.accepted': [
    'commandId commandType profileId requestId idempotencyKeyHash anonymous partOf held',
    'input location ip userAgent',
  ],
  'command.pending_vote': ['commandId poolIds policyIds'],
};

let server: TestServer;
let ada: TestProfile;
const found: Recorded[] = [];

beforeAll(async () => {
  server = await TestServer.start({ contexts: withoutVoting });
  const voting = new ScriptedVoting(server);
  ada = await server.profile();
  await voting.authenticator(ada.profileId);
  const wanted = { policyTemplateId: 'data_change', applyingEventIds: ['data_token.space_reserved'] };
  const configured = { ...wanted, name: 'one', configuration: { context: 'a private context*' } };
  await server.done('/policy/register', configured, ada.token);
  await server.done('/policy/activate', { name: 'one' }, ada.token);
  for (const outcome of ['succeeded', 'rejected'] as const) {
    const json = { context: 'a private context' };
    const { body } = await server.post('/data-token/reserve-token-space', { json, token: ada.token });
    await voting.vote(body.commandId, outcome);
    await server.get(`/request-status/${body.commandId}`, { token: ada.token, headers: { prefer: 'wait=30' } });
  }
  await server.done('/data-token/reserve-token-space', { context: 'elsewhere' }, ada.token);
  await server.done('/policy/deactivate', { name: 'one' }, ada.token);
  await server.done('/policy/delete', { name: 'one' }, ada.token);

  const store = server.served.app.get(EventStore);
  const tail = (await store.tail())!;
  for await (const batch of store.follow(['policies', 'gate', 'command'], null, new AbortController().signal)) {
    found.push(...batch.events);
    if (store.reached(batch.cursor, tail)) break;
  }
});
afterAll(() => server.stop());

const keysOf = (value: object) => Object.keys(value).sort();
const words = (text: string) => text.split(' ').sort();

test.each(Object.entries(fields))(
  '%s has its fields, and the personal ones in a box',
  async (type, [clear, personal]) => {
    const events = found.filter((event) => event.type === type);
    const held = type === 'command.accepted' ? events.filter(({ data }) => 'held' in (data as object)) : events;
    expect(held.length).toBeGreaterThan(0);
    for (const event of held) {
      const { sealed: _, ...data } = event.data as Record<string, unknown>;
      expect(keysOf(data)).toEqual(words(clear));
      const box = await server.served.app.get(PersonalBoxes).open(event, ada.profileId);
      expect(box && keysOf(box)).toEqual(personal ? words(personal) : null);
    }
  },
);

test('what is held says by whose policies, and where they stood', () => {
  const [first] = found.filter(({ data }) => 'held' in (data as object));
  expect((first!.data as { held: unknown }).held).toEqual({
    policyEventId: 'data_token.space_reserved',
    profileId: ada.profileId,
    revision: 1,
  });
});

test('no personal field lies open', () => {
  expect(JSON.stringify(found.map(({ data }) => data))).not.toContain('private context');
});
