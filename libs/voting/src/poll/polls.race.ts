import { EventStore } from '@symbolon/kernel';
import { TestDevice, type TestProfile, TestServer } from '@symbolon/testing';

let server: TestServer;
let ada: TestProfile;
const group = '/verified-authenticator';

beforeAll(async () => {
  server = await TestServer.start();
  ada = await server.profile();
});
afterEach(() => jest.restoreAllMocks());
afterAll(() => server.stop());

/** Lets something happen between what the next append to such a stream rests on and the append itself. */
function before(category: string, happen: () => Promise<unknown>): void {
  const store = server.served.app.get(EventStore);
  const append = store.append.bind(store);
  let waiting = true;
  jest.spyOn(store, 'append').mockImplementation(async (...appended: Parameters<EventStore['append']>) => {
    if (waiting && appended[0].startsWith(`${category}-`)) {
      waiting = false;
      await happen();
    }
    return append(...appended);
  });
}

async function authenticator(): Promise<string> {
  const { deviceIdentifier } = await TestDevice.of(server, ada, { storage: false });
  await server.done(`${group}/register`, { deviceIdentifier }, ada.token);
  return deviceIdentifier;
}

test('an authenticator that is removed while a poll opens gets no ballot of it', async () => {
  const [, leaving] = [await authenticator(), await authenticator()];
  const rules = { name: 'rules', timeLimit: 3600, strategy: 'unanimous' };
  await server.done(`${group}/voting-configuration/register`, rules, ada.token);
  before('poll', () => server.done(`${group}/remove`, { deviceIdentifier: leaving }, ada.token));
  const asked = { votingConfigurationId: 'rules', title: 't', question: 'q' };
  const { body } = await server.done('/voting/create', asked, ada.token);
  const { body: pool } = await server.get(`/voting/check-pool-status/${body.poolId}`, ada);
  expect(pool).toMatchObject({ status: 'open', ballotsIssued: 1, pending: 1 });
});

test('a policy that is activated while its last authenticator is removed keeps it', async () => {
  const bob = await server.profile();
  const { deviceIdentifier } = await TestDevice.of(server, bob, { storage: false });
  await server.done(`${group}/register`, { deviceIdentifier }, bob.token);
  const policy = { policyTemplateId: 'data_access', applyingEventIds: ['data_token.data_requested'] };
  const { body } = await server.done('/policy/register', policy, bob.token);
  before(`voting`, () => server.done('/policy/activate', { policyId: body.id }, bob.token));
  const json = { deviceIdentifier };
  const removal = await server.post(`${group}/remove`, { json, token: bob.token, wait: 30 });
  expect(removal.body).toMatchObject({ status: 'rejected', reason: 'authenticator.required_by_policy' });
  const list = await server.get('/policy/list-active-policies', bob);
  expect(list.body.meta.count).toBe(1);
});
