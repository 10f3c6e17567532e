import { TestDevice, type TestProfile, TestServer } from '@symbolon/testing';

/** Row 41 with `rotate` under a policy, voted on by a device. */
let server: TestServer;
let ada: TestProfile;
let voter: TestDevice;
let device: TestDevice;

beforeAll(async () => {
  server = await TestServer.start();
});
afterAll(() => server.stop());
beforeEach(async () => {
  ada = await server.profile();
  voter = await TestDevice.of(server, ada, { storage: false });
  device = await TestDevice.of(server, ada, { storage: false });
  await Promise.all([voter.connect(), device.connect()]);
  const { deviceIdentifier } = voter;
  await server.done('/verified-authenticator/register', { deviceIdentifier }, ada.token);
});
afterEach(async () => {
  await Promise.all([voter.leave(), device.leave()]);
});

async function guard(configuration?: object): Promise<void> {
  const policy = {
    policyTemplateId: 'security_settings',
    applyingEventIds: ['device.configuration_rotated'],
    ...(configuration ? { configuration } : {}),
  };
  const { body } = await server.done('/policy/register', policy, ada.token);
  await server.done('/policy/activate', { policyId: body.id }, ada.token);
}

const retrieve = (query = '', wait?: number) =>
  server.get(`/device/retrieve-device-configuration/${device.deviceIdentifier}${query}`, {
    token: ada.token,
    ...(wait === undefined ? {} : { wait }),
  });
const ended = async (commandId: string) =>
  (await server.get(`/request-status/${commandId}`, { token: ada.token, wait: 30 })).body;
const rotations = async () => {
  const { rows } = await server.database.pool.query(
    `select 1 from es.event where type = 'device.configuration_rotated' and data->>'deviceIdentifier' = $1`,
    [device.deviceIdentifier],
  );
  return rows.length;
};

test('answers 202; once succeeded the next plain retrieval shows the new secret, once', async () => {
  await guard();
  const held = await retrieve('?rotate=true');
  expect([held.status, held.body]).toEqual([202, { commandId: expect.any(String), status: 'started' }]);
  expect(held.headers.get('x-dpt-cab-id')).toBe(held.body.commandId);
  expect(held.headers.get('location')).toBe(`/request-status/${held.body.commandId}`);

  const ballot = await voter.got('ballot.issued');
  expect(ballot.content).toMatchObject({
    operation: 'device.configuration_rotated',
    title: 'Rotate device credentials',
  });
  expect((await retrieve()).body['client-secret']).toBeUndefined();
  expect(device.closeCode).toBeNull();
  voter.vote(ballot, 'yes');
  expect(await ended(held.body.commandId)).toMatchObject({
    status: 'succeeded',
    type: 'device/retrieve-device-configuration',
    body: null,
  });
  await device.until(() => device.closeCode === 4401);
  await expect(device.connect()).rejects.toThrow('401');
  const shown = await retrieve();
  expect([shown.status, shown.body['client-secret']]).toEqual([200, expect.stringMatching(/^[\w-]{43}$/)]);
  expect((await retrieve()).body['client-secret']).toBeUndefined();
  expect(await rotations()).toBe(1);
});

test('waits for the vote where the caller prefers to, and leaves all as it was where it fails', async () => {
  await guard();
  const answer = retrieve('?rotate=true', 30);
  voter.vote(await voter.got('ballot.issued'), 'no');
  const { status, body } = await answer;
  expect([status, body.status, body.reason]).toEqual([200, 'rejected', 'poll.rejected']);
  expect(await rotations()).toBe(0);
  expect(device.closeCode).toBeNull();
  await device.leave();
  await device.connect();
});

test('shows the secret by return where no policy holds it', async () => {
  await guard({ applicationId: 'any' });
  const { status, body } = await retrieve('?rotate=true');
  expect([status, body['client-secret']]).toEqual([200, expect.stringMatching(/^[\w-]{43}$/)]);
  expect((await retrieve()).body['client-secret']).toBeUndefined();
  expect(voter.count('ballot.issued')).toBe(0);
  await device.until(() => device.closeCode === 4401);
});

test('of a device that was removed while people vote changes nothing', async () => {
  await guard();
  const { body } = await retrieve('?rotate=true');
  const ballot = await voter.got('ballot.issued');
  await server.done('/device/remove', { deviceIdentifier: device.deviceIdentifier }, ada.token);
  voter.vote(ballot, 'yes');
  expect(await ended(body.commandId)).toMatchObject({ status: 'rejected', reason: 'device.not_approved' });
  expect(await rotations()).toBe(0);
});

test('a removed voter has no ballot any more, and what it was to decide is decided without it', async () => {
  await guard();
  const { body } = await retrieve('?rotate=true');
  await voter.got('ballot.issued');
  await server.done('/device/remove', { deviceIdentifier: voter.deviceIdentifier }, ada.token);
  await voter.until(() => voter.closeCode === 4401);
  expect(await ended(body.commandId)).toMatchObject({ status: 'rejected', reason: 'poll.timed_out' });
});
