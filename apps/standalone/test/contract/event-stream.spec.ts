import { ManualClock } from '@symbolon/kernel';
import { Progress } from '@symbolon/platform';
import { password, TestApplication, TestEvents, TestServer, TestSocket } from '@symbolon/testing';

let server: TestServer;
const clock = new ManualClock(Date.now());
const opened: Array<{ close(): unknown }> = [];

beforeAll(async () => {
  server = await TestServer.start({ clock });
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
});

afterAll(() => server.stop());

async function stream(token: string, options?: Parameters<typeof TestEvents.open>[2]): Promise<TestEvents> {
  const events = await TestEvents.open(server.url, token, options);
  opened.push(events);
  return events;
}

async function channel(token: string, data?: object): Promise<TestSocket> {
  const socket = await TestSocket.join(server.url, token, data);
  opened.push(socket);
  return socket;
}

/** A command of the profile; answers its id. */
async function command(token: string): Promise<string> {
  const { publicKey } = (await server.get('/public-key/generate-keys', { token })).body;
  return (await server.done('/public-key/register-public-key', { publicKey }, token)).commandId;
}

test('answers 200 text/event-stream at once, and each message as event, id and data', async () => {
  const { token } = await server.profile({ withKey: false });
  const [events, socket] = [await stream(token), await channel(token)];
  expect(events.answer.status).toBe(200);
  expect(events.answer.headers.get('content-type')).toMatch(/^text\/event-stream/);
  expect(events.answer.headers.get('cache-control')).toBe('no-store');
  const commandId = await command(token);
  const { event, id, data } = await events.end(commandId);
  expect(event).toBe('X-DPT-CAB-ID');
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
  await socket.end(commandId);
  expect(socket.frames.filter(({ correlationId }) => correlationId === undefined)).toContainEqual(data);
});

test('opening it is a late join: the last 60 seconds in order, the registration among them', async () => {
  const username = 'stream@example.org';
  const { commandId: registration } = await server.done('/profile/register-profile', { username, password });
  const token = await server.login(username);
  const first = await command(token);
  const events = await stream(token);
  await events.end(first);
  expect(events.events.map(({ data }) => data.data.id)).toEqual([registration, first]);

  clock.advance(61);
  const second = await command(token);
  const later = await stream(token);
  await later.end(second);
  expect(later.events.map(({ data }) => data.data.id)).toEqual([second]);
});

test('with Last-Event-ID only what followed, the same message under the same id', async () => {
  const { token } = await server.profile({ withKey: false });
  const live = await stream(token);
  const ids = [await command(token), await command(token), await command(token)];
  await live.end(ids[2]!);
  const all = live.events.map(({ id }) => id);
  expect(new Set(all).size).toBe(all.length);

  const { id: second } = await live.end(ids[1]!);
  const resumed = await stream(token, { headers: { 'last-event-id': second } });
  await resumed.end(ids[2]!);
  expect(resumed.events).toEqual(live.events.slice(-1));

  const unknown = await stream(token, { headers: { 'last-event-id': '0193b4c6-1f2e-7a41-b7d5-2c9e4a6f8b10' } });
  await unknown.end(ids[2]!);
  expect(unknown.events).toEqual(live.events);
});

test('a server that was started again knows the ids of the one before', async () => {
  let other = await TestServer.start();
  try {
    const { token } = await other.profile({ withKey: false });
    const { publicKey } = (await other.get('/public-key/generate-keys', { token })).body;
    const live = await TestEvents.open(other.url, token);
    const first = await other.done('/public-key/register-public-key', { publicKey }, token);
    const { id } = await live.end(first.commandId);
    await other.stop({ keep: true });
    await live.until(() => live.ended);
    other = await TestServer.start({ on: other });
    const whole = await TestEvents.open(other.url, token);
    expect((await whole.end(first.commandId)).id).toBe(id);
    const resumed = await TestEvents.open(other.url, token, { headers: { 'last-event-id': id } });
    const next = await other.done('/public-key/register-public-key', { publicKey }, token);
    await resumed.end(next.commandId);
    expect(resumed.events.map(({ data }) => data.data.id)).toEqual([next.commandId]);
    whole.close();
    resumed.close();
  } finally {
    await other.stop();
  }
});

test('status-1 messages come with progress=true alone, and have ids to go on from', async () => {
  const { token } = await server.profile({ withKey: false });
  const [asked, other] = [await stream(token, { query: '?progress=true' }), await stream(token)];
  const commandId = await command(token);
  await Promise.all([asked.end(commandId), other.end(commandId)]);
  server.served.app.get(Progress).report(commandId, { done: 1, total: 2 });
  const about = ({ events }: TestEvents) =>
    events.filter(({ data }) => data.data.id === commandId).map(({ data }) => data.data.command_status);
  expect(about(asked)).toEqual([1, 2]);
  expect(about(other)).toEqual([2]);

  const started = asked.events.find(({ data }) => data.data.id === commandId)!;
  const resumed = await stream(token, { headers: { 'last-event-id': started.id } });
  await resumed.end(commandId);
  expect(about(resumed)).toEqual([2]);
  expect(resumed.events).toHaveLength(1);
});

test('a comment line comes every 15 seconds', async () => {
  const { token } = await server.profile({ withKey: false });
  const events = await stream(token);
  // The end of the registration is told in between: the silence begins after it.
  await events.until(() => events.events.length > 0);
  expect(events.comments).toBe(0);
  clock.advance(15);
  await events.until(() => events.comments === 1);
  clock.advance(15);
  await events.until(() => events.comments === 2);
});

test('it ends when the token is revoked, and when its time is over', async () => {
  const { token, username } = await server.profile({ withKey: false });
  const shortLived = (await server.post('/profile/authenticate', { json: { username, password } })).body
    .authorizationToken as string;
  const [revoked, expired] = [await stream(token), await stream(shortLived)];
  await server.post('/profile/revoke-authorization-token', { token });
  await revoked.until(() => revoked.ended);
  expect(expired.ended).toBe(false);
  clock.advance(86_401);
  await expired.until(() => expired.ended);
});

test('without a live token 401, with a malformed query 422, and 405 for another verb', async () => {
  const refused = await server.get('/events', { token: `T-${'x'.repeat(43)}` });
  expect([refused.status, refused.body.code]).toEqual([401, 'unauthorized']);
  expect((await server.get('/events')).status).toBe(401);
  const { token } = await server.profile({ withKey: false });
  expect((await server.get('/events?progress=maybe', { token })).status).toBe(422);
  expect((await server.post('/events', { token })).status).toBe(405);
});

test('a device may listen with its own token', async () => {
  const { token } = await server.profile();
  const { commandId } = await server.done('/device/request-unique-identifier', { deviceName: 'attic' }, token);
  const { body } = await server.post('/device/retrieve-unique-identifier', { json: { id: commandId }, token });
  const own = await server.login(body.username, body.password);
  const events = await stream(own);
  expect(events.answer.status).toBe(200);
});

test('an application hears of its own commands alone', async () => {
  const owner = await server.profile();
  const application = await TestApplication.of(server, owner);
  const grant = await application.grantedBy(owner, ['data-token:write']);
  const [its, all] = [await stream(grant.token), await stream(owner.token)];
  const reserve = (token: string) => server.done('/data-token/reserve-token-space', { context: 'x', ttl: 5 }, token);
  const { commandId: foreign } = await reserve(owner.token);
  const { commandId: own } = await reserve(grant.token);
  await all.end(foreign);
  await all.end(own);
  await its.end(own);
  expect(its.events.map(({ data }) => data.data.id)).toEqual([own]);
});

test('streams and WebSockets are the channels of a profile: 50 together', async () => {
  const { token } = await server.profile({ withKey: false });
  await Promise.all(Array.from({ length: 25 }, () => channel(token)));
  await Promise.all(Array.from({ length: 25 }, () => stream(token)));
  const refused = await server.get('/events', { token });
  expect([refused.status, refused.body.code]).toEqual([429, 'rate_limited']);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  const one = opened.pop() as TestEvents;
  one.close();
  // Its place is free as soon as the server has noticed.
  for (;;) {
    const again = await stream(token);
    if (again.answer.status === 200) break;
  }
});

test('a stop of the server ends open streams', async () => {
  const other = await TestServer.start();
  const { token } = await other.profile({ withKey: false });
  const events = await TestEvents.open(other.url, token);
  await other.stop();
  await events.until(() => events.ended);
});
