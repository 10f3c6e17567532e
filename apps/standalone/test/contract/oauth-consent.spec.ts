import { consentPath, password, TestApplication, TestDevice, type TestProfile, TestServer } from '@symbolon/testing';

/** Rows 13 and 14 where a policy of the consenting profile holds the request; and what the end of a profile ends. */
let server: TestServer;
let ada: TestProfile;
let eve: TestProfile;
let phone: TestDevice;
let application: TestApplication;

beforeAll(async () => {
  server = await TestServer.start();
  ada = await server.profile();
  eve = await server.profile();
  application = await TestApplication.of(server, eve);
  phone = await TestDevice.of(server, ada);
  await phone.connect();
  await server.done('/verified-authenticator/register', { deviceIdentifier: phone.deviceIdentifier }, ada.token);
  const fields = {
    policyTemplateId: 'authentication',
    applyingEventIds: ['oauth.authorize'],
    configuration: { applicationId: application.applicationId },
  };
  const { id } = (await server.done('/policy/register', fields, ada.token)).body;
  await server.done('/policy/activate', { policyId: id }, ada.token);
});

afterAll(async () => {
  await phone.leave();
  await server.stop();
});

const path = '/oauth-application/retrieve-authorization-code';
const request = async (nonce: string) => {
  const answer = await server.get(consentPath(application.clientId, ['all'], nonce), { token: ada.token });
  expect(answer.status).toBe(202);
  return answer.body.commandId as string;
};
const outcome = async (id: string) => (await server.get(`/request-status/${id}`, { token: ada.token, wait: 30 })).body;

test.each([
  ['yes', 'succeeded', null],
  ['no', 'rejected', 'poll.rejected'],
] as const)('a vote of %s decides what the application gets', async (vote, status, reason) => {
  const nonce = `held ${vote}`;
  const ballots = phone.count('ballot.issued');
  const id = await request(nonce);
  const ballot = await phone.got('ballot.issued', ballots + 1);
  expect(ballot.content).toMatchObject({ operation: 'oauth.authorize', title: 'Authorize application' });
  expect(JSON.stringify(ballot.content.context.application)).toContain(application.applicationId);
  const pending = await application.call(path, { id, nonce });
  expect([pending.status, pending.body.code]).toEqual([409, 'command.pending']);
  expect(await request(nonce)).toBe(id);
  phone.vote(ballot, vote);
  expect(await outcome(id)).toMatchObject({ status, reason });
  // The repeat started nothing: no second vote.
  expect(phone.count('ballot.issued')).toBe(ballots + 1);
  const answer = await application.call(path, { id, nonce });
  if (vote === 'yes') expect(answer.status).toBe(200);
  else expect([answer.status, answer.body.code]).toEqual([422, 'oauth.authorization_denied']);
});

test('another application is not held', async () => {
  const other = await TestApplication.of(server, eve);
  expect((await other.grantedBy(ada)).scope).toHaveLength(15);
});

test('the end of a profile ends what it granted, and the applications that it registered', async () => {
  const [zoe, bob] = [await server.profile(), await server.profile()];
  const hers = await TestApplication.of(server, zoe);
  const whoIs = (token: string) => server.get('/profile/retrieve-profile-id', { token });
  const [granted, registered] = [await application.grantedBy(zoe), await hers.grantedBy(bob)];
  const code = await hers.code(await hers.consent(bob));
  expect((await whoIs(granted.token)).status).toBe(200);
  await server.post('/profile/delete-account', { json: { password }, token: zoe.token });
  for (const { token } of [granted, registered]) {
    while ((await whoIs(token)).status !== 401) await new Promise(setImmediate);
  }
  expect((await hers.call('/oauth-application/obtain-access-token', { authorization_code: code })).status).toBe(401);
  expect((await hers.refresh(registered)).status).toBe(401);
  expect((await application.refresh(granted)).status).toBe(401);
  const gone = await server.get(consentPath(hers.clientId, ['all'], 'n'), { token: bob.token });
  expect(gone.status).toBe(404);
  expect((await whoIs(bob.token)).status).toBe(200);
});
