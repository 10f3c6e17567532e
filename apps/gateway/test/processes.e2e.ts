import { randomBytes } from 'node:crypto';
import { type FreshDatabase, freshDatabase, TestDevice, type TestProfile, TestSocket } from '@symbolon/testing';
import { WebSocket } from 'ws';
import { buildParts, Parts, services } from './parts';

jest.setTimeout(180_000);

let database: FreshDatabase;
let parts: Parts;
let owner: TestProfile;
let device: TestDevice;

beforeAll(async () => {
  buildParts();
  database = await freshDatabase();
  parts = await Parts.create(database, { SYMBOLON_TRUSTED_PROXIES: '127.0.0.1' });
  await parts.startAll();
  owner = await parts.profile();
  device = await TestDevice.of(parts, owner);
  await device.connect();
});

afterAll(async () => {
  // Where the start failed there may be none.
  await (device as TestDevice | undefined)?.leave();
  const codes = await parts.stop();
  await database.drop();
  expect(codes.every((code) => code === 0)).toBe(true);
});

async function reserved(context = 'invoices/2026'): Promise<{ token: string; stream: string }> {
  const { token } = owner;
  const { commandId } = await parts.done('/data-token/reserve-token-space', { context, ttl: 30 }, token);
  return (await parts.get(`/data-token/retrieve-temporary-data-token/${commandId}`, { token })).body;
}

async function stored(payload: Buffer): Promise<string> {
  const { token, stream } = await reserved();
  const { status, body } = await parts.post(stream, { body: new Uint8Array(payload), wait: 30 });
  expect([status, body.status]).toEqual([200, 'succeeded']);
  return token;
}

async function fetched(dataToken: string): Promise<Buffer> {
  const { body } = await parts.done('/data-token/request-data', { token: dataToken }, owner.token);
  return Buffer.from(await (await fetch(body.downloadUrl)).arrayBuffer());
}

test('every part says that it is ready, and the gateway speaks for all', async () => {
  expect(await parts.get('/health')).toMatchObject({ status: 200, body: { status: 'ok' } });
  for (const service of services) {
    const answer = await fetch(`${parts.direct(service)}/health/ready`);
    expect([service, answer.status]).toEqual([service, 200]);
  }
  const { body } = await parts.get('/openapi.json');
  expect(Object.keys(body.paths)).toEqual(
    expect.arrayContaining(['/profile/authenticate', '/data-token/request-data', '/device/approve-device', '/health']),
  );
});

test('services learn where a call comes from, as a trusted proxy told the gateway', async () => {
  const { username, password } = await parts.profile({ withKey: false });
  const login = async (address: string, text: string) => {
    const headers = { 'x-forwarded-for': address };
    return (await parts.post('/profile/authenticate', { json: { username, password: text }, headers })).status;
  };
  for (let failure = 1; failure <= 5; failure++) expect(await login('192.0.2.7', 'wrong password')).toBe(401);
  expect([await login('192.0.2.7', password), await login('192.0.2.8', password)]).toEqual([429, 200]);
});

test('a payload of some megabytes is stored, fetched and deleted', async () => {
  const payload = randomBytes(3 * 1024 * 1024);
  const dataToken = await stored(payload);
  expect((await fetched(dataToken)).equals(payload)).toBe(true);
  await parts.done('/data-token/delete-data', { token: dataToken }, owner.token);
  expect(
    (await parts.post('/data-token/request-data', { json: { token: dataToken }, token: owner.token })).status,
  ).toBe(404);
  await device.got('storage.delete');
});

test('the gateway passes large bodies on without keeping them', async () => {
  const before = parts.residentMb('gateway');
  const payload = randomBytes(32 * 1024 * 1024);
  const dataToken = await stored(payload);
  expect((await fetched(dataToken)).equals(payload)).toBe(true);
  expect(parts.residentMb('gateway') - before).toBeLessThan(32);
});

test('channels are told what happens in other processes, after the answer was read', async () => {
  const socket = await TestSocket.join(parts.url, owner.token);
  const { publicKey } = (await parts.get('/public-key/generate-keys', { token: owner.token })).body;
  const { status, body } = await parts.post('/public-key/register-public-key', {
    token: owner.token,
    json: { publicKey },
  });
  expect(status).toBe(202);
  expect(socket.frames.some(({ data }) => data?.id === body.commandId)).toBe(false);
  expect(await socket.end(body.commandId)).toMatchObject({ command_status: 2, body: { profileId: owner.profileId } });

  const dataToken = await stored(Buffer.from('a small secret'));
  const request = await parts.post('/data-token/request-data', { token: owner.token, json: { token: dataToken } });
  const requestId = request.headers.get('x-dpt-cab-request-id');
  const ready = await socket.until(({ data }) => data?.type === 'X-DPT-CAB-REQUEST-ID' && data.id === requestId);
  expect(Buffer.from(ready.data.body, 'base64').toString()).toBe('a small secret');
  await socket.end(request.body.commandId);
  const about = (id: string | null) => socket.frames.findIndex(({ data }) => data?.id === id);
  expect(about(requestId)).toBeLessThan(about(request.body.commandId));
  await socket.close();
});

test('a call that waits is answered before the channel hears of its end', async () => {
  const socket = await TestSocket.join(parts.url, owner.token);
  const { publicKey } = (await parts.get('/public-key/generate-keys', { token: owner.token })).body;
  const { commandId } = await parts.done('/public-key/register-public-key', { publicKey }, owner.token);
  expect(socket.frames.some(({ data }) => data?.id === commandId)).toBe(false);
  await socket.end(commandId);
  expect((await parts.get(`/request-status/${commandId}`, { token: owner.token })).body.status).toBe('succeeded');
  await socket.close();
});

test('a policy holds a command, a device votes, and each of it happens in a process of its own', async () => {
  const voter = await parts.profile();
  const { token } = voter;
  const authenticator = await TestDevice.of(parts, voter, { storage: false });
  const { deviceIdentifier } = authenticator;
  await parts.done('/verified-authenticator/register', { deviceIdentifier }, token);
  await authenticator.connect();
  const list = await parts.get('/verified-authenticator/list-verified-authenticators', { token });
  expect([list.status, list.body.items]).toEqual([200, [expect.objectContaining({ deviceIdentifier, online: true })]]);

  const rules = { name: 'rules', timeLimit: 60, strategy: 'unanimous' };
  await parts.done('/verified-authenticator/voting-configuration/register', rules, token);
  const policy = {
    policyTemplateId: 'data_change',
    applyingEventIds: ['data_token.space_reserved'],
    votingConfigurationId: 'rules',
  };
  const { body } = await parts.done('/policy/register', policy, token);
  await parts.done('/policy/activate', { policyId: body.id }, token);

  const socket = await TestSocket.join(parts.url, token, { progress: true });
  const held = await parts.post('/data-token/reserve-token-space', { token, json: { context: 'held' } });
  const { commandId } = held.body;
  await socket.until(({ data }) => data?.id === commandId && data.body === 'pending_vote');
  authenticator.vote(await authenticator.got('ballot.issued'), 'yes');
  await socket.until(({ data }) => data?.id === commandId && data.command_status === 2);
  const { body: status } = await parts.get(`/request-status/${commandId}`, { token });
  expect(status).toMatchObject({ status: 'succeeded', poolId: expect.any(String) });
  await socket.close();

  // The end of a device is seen by the process of the votes before the command ends.
  const asked = { votingConfigurationId: 'rules', title: 't', question: 'q' };
  const { poolId } = (await parts.done('/voting/create', asked, token)).body;
  await parts.done('/device/remove', { deviceIdentifier }, token);
  const pool = await parts.get(`/voting/check-pool-status/${poolId}`, { token });
  expect(pool.body).toMatchObject({ status: 'timed_out', pending: 0, ballotsIssued: 1 });
  await authenticator.leave();
});

test('credentials do not pass the gateway where nobody needs them, nor an assertion from outside', async () => {
  const { token } = owner;
  const direct = (service: (typeof services)[number], path: string, headers: Record<string, string>) =>
    fetch(`${parts.direct(service)}${path}`, { headers }).then(({ status }) => status);
  expect(await direct('identity', '/profile/retrieve-profile-id', { 'x-dpt-authorization': token })).toBe(401);
  expect(await direct('identity', '/profile/retrieve-profile-id', {})).toBe(401);
  expect(await direct('token-vault', '/data-token/list-data-tokens', { authorization: `Bearer ${token}` })).toBe(401);
  expect(await direct('identity', '/.well-known/jwks.json', {})).toBe(401);
  expect(await direct('identity', '/profile/retrieve-profile-id', { 'x-symbolon-assertion': 'e30.e30.e30' })).toBe(401);
  expect(await direct('device-router', `/service/presence?devices=${owner.profileId}`, {})).toBe(401);
  expect((await parts.get('/service/presence', { token })).status).toBe(404);
  const upgrade = new WebSocket(`${parts.direct('device-router').replace('http', 'ws')}/device-channel`, [
    'symbolon.device.v1',
  ]);
  const refused = await new Promise<string>((resolve) => upgrade.once('error', ({ message }) => resolve(message)));
  expect(refused).toContain('401');
  const forged = await parts.get('/profile/retrieve-profile-id', {
    headers: { 'x-symbolon-assertion': 'e30.e30.e30' },
  });
  expect(forged.status).toBe(401);
});

test('what a client may not do is refused as by one process', async () => {
  expect((await parts.get('/nowhere')).status).toBe(404);
  const wrongVerb = await parts.get('/data-token/request-data');
  expect([wrongVerb.status, wrongVerb.headers.get('allow')]).toEqual([405, 'POST']);
  expect((await parts.post('/data-token/request-data', { json: {} })).status).toBe(401);
  const { token } = owner;
  expect((await parts.post('/data-token/request-data', { token, json: {} })).body.code).toBe('validation_failed');
  expect((await parts.post('/upstream/?auth=x', { body: 'y' })).status).toBe(401);
  const headers = { 'content-type': 'text/plain' };
  expect((await parts.post('/data-token/request-data', { token, body: 'x', headers })).status).toBe(415);
  const large = 'x'.repeat(1_048_577);
  expect((await parts.post('/data-token/request-data', { token, form: { token: large } })).status).toBe(413);
});

test('a service that is away: 503 with Retry-After, nothing recorded, the others go on; back again, all goes on', async () => {
  const { token } = owner;
  const count = async () =>
    Number((await database.pool.query(`select count(*) from es.event where type = 'command.accepted'`)).rows[0].count);
  await parts.end('token-vault', 'SIGKILL');
  const before = await count();
  const refused = await parts.post('/data-token/reserve-token-space', { token, json: { context: 'away' } });
  expect([refused.status, refused.body.code]).toEqual([503, 'dependency_unavailable']);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(await count()).toBe(before);
  const health = await parts.get('/health');
  expect([health.status, health.body.checks['token-vault'], health.body.checks.identity]).toEqual([503, 'down', 'up']);

  const { publicKey } = (await parts.get('/public-key/generate-keys', { token })).body;
  await parts.done('/public-key/register-public-key', { publicKey }, token);

  await parts.startPart('token-vault');
  expect((await parts.get('/health')).status).toBe(200);
  await reserved('back again');
});

test('kill -9 of a service in the middle of commands: what was answered 202 ends, once', async () => {
  const { token } = owner;
  const accepted: string[] = [];
  const flows = Array.from({ length: 12 }, async (_, index) => {
    const { status, body } = await parts
      .post('/data-token/reserve-token-space', { token, json: { context: `round-${index}`, ttl: 30 } })
      .catch(() => ({ status: 0, body: null }));
    if (status === 202) accepted.push(body.commandId);
    // As soon as one is under way: in the middle of the others.
    if (accepted.length === 1) await parts.end('token-vault', 'SIGKILL');
  });
  await Promise.all(flows);
  expect(accepted.length).toBeGreaterThan(0);
  await parts.startPart('token-vault');
  for (const commandId of accepted) {
    const ended = await parts.get(`/request-status/${commandId}`, { token, wait: 30 });
    expect([ended.status, ended.body.status]).toEqual([200, 'succeeded']);
  }
  const twice = await database.pool.query(
    `select stream from es.event where type in ('command.succeeded', 'command.rejected') group by stream having count(*) > 1`,
  );
  expect(twice.rows).toEqual([]);
});

test('kill -9 of the device router while a payload is under way: the command ends, the device comes back', async () => {
  const payload = randomBytes(200_000);
  const { token, stream } = await reserved('through a crash');
  const upload = await parts.post(stream, { body: new Uint8Array(payload) });
  expect(upload.status).toBe(202);
  await parts.end('device-router', 'SIGKILL');
  await device.until(() => device.closeCode !== null);
  await parts.startPart('device-router');
  await device.connect();
  const ended = await parts.get(`/request-status/${upload.body.commandId}`, { token: owner.token, wait: 30 });
  expect(ended.body.status).toBe('succeeded');
  expect((await fetched(token)).equals(payload)).toBe(true);
});

test('what the processes wrote shows neither tokens nor addresses', () => {
  expect(parts.output).not.toContain(owner.token);
  expect(parts.output).not.toContain(owner.username);
});
