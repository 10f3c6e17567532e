import { once } from 'node:events';
import { Commands } from '@symbolon/command-log';
import { uuid7 } from '@symbolon/crypto';
import { ManualClock, Streams, system } from '@symbolon/kernel';
import { Progress } from '@symbolon/platform';
import { password, TestServer, TestSocket } from '@symbolon/testing';
import { WebSocket } from 'ws';

let server: TestServer;
const clock = new ManualClock(Date.now());
const sockets: TestSocket[] = [];

beforeAll(async () => {
  server = await TestServer.start({ clock });
});

afterEach(async () => {
  await Promise.all(sockets.splice(0).map((socket) => socket.close()));
});

afterAll(() => server.stop());

async function opened(path?: string): Promise<TestSocket> {
  const socket = await TestSocket.open(server.url, path);
  sockets.push(socket);
  return socket;
}

async function joined(token: string, data?: object): Promise<TestSocket> {
  const socket = await TestSocket.join(server.url, token, data);
  sockets.push(socket);
  return socket;
}

async function newKey(token: string): Promise<string> {
  return (await server.get('/public-key/generate-keys', { token })).body.publicKey;
}

test.each(['/ws', '/', '/?x=1'])('joins and leaves a channel on %s', async (path) => {
  const { token } = await server.profile({ withKey: false });
  const socket = await opened(path);
  socket.send({ action: 'joinChannel', data: { authorizationToken: token, correlationId: 'c1' } });
  const join = await socket.until((frame) => frame.correlationId === 'c1');
  expect(join).toEqual({
    correlationId: 'c1',
    status: 200,
    data: { channelId: expect.stringMatching(/^[0-9a-f-]{36}$/), message: 'Successfully joined profile channel.' },
  });
  socket.send({ action: 'leaveChannel', data: { channelId: join.data.channelId, correlationId: 'c2' } });
  expect(await socket.until((frame) => frame.correlationId === 'c2')).toEqual({
    correlationId: 'c2',
    status: 200,
    data: { channelId: join.data.channelId, message: 'Successfully left profile channel.' },
  });
  socket.send({ action: 'leaveChannel', data: { authorizationToken: token, correlationId: 'c3' } });
  expect((await socket.until((frame) => frame.correlationId === 'c3')).status).toBe(404);
});

test('answers 401 for a bad token, 400 for what it does not understand, and echoes a missing correlationId as null', async () => {
  const socket = await opened();
  socket.send({ action: 'joinChannel', data: { authorizationToken: 'T-nothing', correlationId: 'a' } });
  expect((await socket.until((frame) => frame.correlationId === 'a')).status).toBe(401);
  for (const frame of ['no json', '{"action":"joinChannel"}', '{"action":"dance","data":{}}']) {
    const before = socket.frames.length;
    socket.send(frame);
    const answer = await socket.until((_) => socket.frames.length > before);
    expect(answer).toBeDefined();
    expect(socket.frames.at(-1)).toMatchObject({
      correlationId: null,
      status: 400,
      data: { message: expect.any(String) },
    });
  }
});

test('tells the end of a command once, after the 202 was read, to every channel of the profile', async () => {
  const { token, profileId } = await server.profile();
  const [one, two] = [await joined(token), await joined(token)];
  const publicKey = await newKey(token);
  const { body } = await server.post('/public-key/register-public-key', { token, json: { publicKey } });
  const before = one.frames.filter((frame) => frame.data?.id === body.commandId);
  expect(before).toEqual([]);
  const expected = {
    type: 'X-DPT-CAB-ID',
    id: body.commandId,
    command_status: 2,
    body: { profileId, fingerprint: expect.any(String) },
  };
  expect(await one.end(body.commandId)).toEqual(expected);
  expect(await two.end(body.commandId)).toEqual(expected);
  const next = await server.post('/public-key/register-public-key', {
    token,
    json: { publicKey: await newKey(token) },
  });
  await one.end(next.body.commandId);
  expect(one.frames.filter((frame) => frame.data?.id === body.commandId)).toHaveLength(1);
});

test('gives the reason key of a rejected command as body', async () => {
  const { token } = await server.profile();
  const socket = await joined(token);
  const fields = { currentPassword: 'not the right one', newPassword: 'short yellow oak table' };
  const { body } = await server.post('/profile/change-password', { token, json: fields });
  expect(await socket.end(body.commandId)).toEqual({
    type: 'X-DPT-CAB-ID',
    id: body.commandId,
    command_status: 3,
    body: 'profile.invalid_current_password',
  });
});

test('a late join gets the last messages in order, the registration among them', async () => {
  const username = 'late@example.org';
  const registration = await server.done('/profile/register-profile', { username, password });
  const token = await server.login(username);
  const { commandId } = await server.done('/public-key/register-public-key', { publicKey: await newKey(token) }, token);
  const first = await joined(token);
  await first.end(commandId);
  const second = await joined(token);
  await second.end(commandId);
  const ids = second.frames.filter((frame) => frame.data?.type === 'X-DPT-CAB-ID').map((frame) => frame.data.id);
  expect(ids).toEqual([registration.commandId, commandId]);
});

test('does not tell a profile of another one', async () => {
  const [ada, eve] = [await server.profile(), await server.profile()];
  const [hers, others] = [await joined(ada.token), await joined(eve.token)];
  const { body } = await server.post('/public-key/register-public-key', {
    token: ada.token,
    json: { publicKey: await newKey(ada.token) },
  });
  await hers.end(body.commandId);
  const own = await server.post('/public-key/register-public-key', {
    token: eve.token,
    json: { publicKey: await newKey(eve.token) },
  });
  await others.end(own.body.commandId);
  expect(others.frames.some((frame) => frame.data?.id === body.commandId)).toBe(false);
});

test('closes the channel when its token ends', async () => {
  const { token } = await server.profile({ withKey: false });
  const socket = await joined(token);
  const [{ data }] = socket.frames;
  await server.post('/profile/revoke-authorization-token', { token });
  expect(await socket.until((frame) => frame.status === 401)).toEqual({
    correlationId: null,
    status: 401,
    data: { channelId: data.channelId, message: 'Channel closed: authorization ended.' },
  });
});

test('tells the owner when logins are locked, and records it', async () => {
  const { username, profileId, token } = await server.profile();
  const socket = await joined(token);
  for (let failure = 1; failure <= 5; failure++) {
    await server.post('/profile/authenticate', { json: { username, password: 'wrong password' } });
  }
  const alert = await socket.until((frame) => frame.data?.type === 'SECURITY-ALERT');
  expect(alert.data.body).toEqual({ kind: 'login_locked', poolId: null, commandId: null });
  const { rows } = await server.database.pool.query(
    `select data from es.event where type = 'security.alert_raised' and data->>'profileId' = $1`,
    [profileId],
  );
  expect(rows.map(({ data }) => data.alertId)).toEqual([alert.data.id]);
});

test('a stop of the server ends open channels and calls that wait', async () => {
  const other = await TestServer.start();
  const { token } = await other.profile();
  const socket = await TestSocket.join(other.url, token);
  const closed = once(socket.socket, 'close');
  await other.stop();
  expect((await closed)[0]).toBe(1001);
});

test('a profile has at most 50 channels', async () => {
  const { token } = await server.profile({ withKey: false });
  await Promise.all(Array.from({ length: 50 }, () => joined(token)));
  const socket = await opened();
  socket.send({ action: 'joinChannel', data: { authorizationToken: token, correlationId: 'x' } });
  expect((await socket.until((frame) => frame.correlationId === 'x')).status).toBe(429);
});

test('closes on a frame over 16 KiB', async () => {
  const socket = await opened();
  socket.send('x'.repeat(16_385));
  const [code] = (await once(socket.socket, 'close')) as [number];
  expect(code).toBe(1009);
});

test('refuses an upgrade elsewhere', async () => {
  await expect(TestSocket.open(server.url, '/elsewhere')).rejects.toThrow('404');
});

describe('frames', () => {
  test.each([
    ['a binary frame', Buffer.from('{"action":"joinChannel","data":{"authorizationToken":"x"}}')],
    ['a list', '[]'],
    ['null', 'null'],
    ['no data', '{"action":"leaveChannel"}'],
    ['data that is no object', '{"action":"joinChannel","data":[]}'],
    ['neither token nor channel', '{"action":"leaveChannel","data":{}}'],
    ['an unknown action', '{"action":"toString","data":{}}'],
  ])('%s is answered 400', async (_, frame) => {
    const socket = await opened();
    socket.socket.send(frame);
    const answer = await socket.until(() => true);
    expect(answer).toEqual({ correlationId: null, status: 400, data: { message: expect.any(String) } });
  });

  test('a token that is no text is answered 401, a correlation is echoed with every answer', async () => {
    const socket = await opened();
    socket.send({ action: 'joinChannel', data: { authorizationToken: 5, correlationId: 'a' } });
    expect((await socket.until((frame) => frame.correlationId === 'a')).status).toBe(401);
    socket.send({ action: 'dance', data: { correlationId: 'b' } });
    expect((await socket.until((frame) => frame.correlationId === 'b')).status).toBe(400);
    socket.send({ action: 'leaveChannel', data: { channelId: 'x', correlationId: 'c' } });
    expect((await socket.until((frame) => frame.correlationId === 'c')).status).toBe(404);
  });

  test('exactly 16 KiB are taken', async () => {
    const { token } = await server.profile({ withKey: false });
    const socket = await opened();
    const frame = { action: 'joinChannel', data: { authorizationToken: token, correlationId: 'full', pad: '' } };
    const pad = 'x'.repeat(16_384 - JSON.stringify(frame).length);
    socket.send({ ...frame, data: { ...frame.data, pad } });
    expect((await socket.until(({ correlationId }) => correlationId === 'full')).status).toBe(200);
  });
});

describe('channels', () => {
  async function ask(socket: TestSocket, action: string, data: object): Promise<any> {
    const correlationId = `${action} ${socket.frames.length}`;
    socket.send({ action, data: { ...data, correlationId } });
    return socket.until((frame) => frame.correlationId === correlationId);
  }

  test('joining again replaces the channel', async () => {
    const [ada, eve] = [await server.profile(), await server.profile()];
    const socket = await joined(ada.token);
    const first = socket.frames[0].data.channelId;
    const second = await ask(socket, 'joinChannel', { authorizationToken: eve.token });
    expect(second.data.channelId).not.toBe(first);
    expect((await ask(socket, 'leaveChannel', { channelId: first })).status).toBe(404);
    expect((await ask(socket, 'leaveChannel', { authorizationToken: ada.token })).status).toBe(404);
    const witness = await joined(ada.token);
    const change = await server.post('/public-key/register-public-key', {
      token: ada.token,
      json: { publicKey: await newKey(ada.token) },
    });
    await witness.end(change.body.commandId);
    const own = await server.post('/public-key/register-public-key', {
      token: eve.token,
      json: { publicKey: await newKey(eve.token) },
    });
    await socket.end(own.body.commandId);
    expect(socket.frames.some((frame) => frame.data?.id === change.body.commandId)).toBe(false);
  });

  test('a bad token leaves the channel as it was', async () => {
    const { token } = await server.profile({ withKey: false });
    const socket = await joined(token);
    expect((await ask(socket, 'joinChannel', { authorizationToken: 'T-x' })).status).toBe(401);
    expect((await ask(socket, 'leaveChannel', { authorizationToken: 'T-x' })).status).toBe(401);
    const left = await ask(socket, 'leaveChannel', { authorizationToken: token });
    expect([left.status, left.data.channelId]).toEqual([200, socket.frames[0].data.channelId]);
  });

  test('one that joins late, or twice, gets the same messages in the same order', async () => {
    const { token } = await server.profile();
    const live = await joined(token);
    const ids: string[] = [];
    for (let change = 1; change <= 3; change++) {
      const { commandId } = await server.done(
        '/public-key/register-public-key',
        { publicKey: await newKey(token) },
        token,
      );
      await live.end(commandId);
      ids.push(commandId);
    }
    const told = ({ frames }: TestSocket) =>
      frames.filter(({ data }) => data?.type === 'X-DPT-CAB-ID').map(({ data }) => data.id);
    expect(told(live).slice(-3)).toEqual(ids);
    const late = await joined(token);
    await late.end(ids[2]!);
    expect(told(late)).toEqual(told(live));
    await ask(late, 'joinChannel', { authorizationToken: token });
    await late.until(() => told(late).length === 2 * told(live).length);
    expect(told(late)).toEqual([...told(live), ...told(live)]);
  });

  test('what is older than 60 seconds is not told again', async () => {
    const { token } = await server.profile();
    const live = await joined(token);
    const early = await server.done('/public-key/register-public-key', { publicKey: await newKey(token) }, token);
    await live.end(early.commandId);
    clock.advance(61);
    const late = await joined(token);
    const { commandId } = await server.done(
      '/public-key/register-public-key',
      { publicKey: await newKey(token) },
      token,
    );
    await late.end(commandId);
    expect(late.frames.filter(({ data }) => data?.type === 'X-DPT-CAB-ID')).toHaveLength(1);
  });

  test('progress is told to those who asked for it alone, and never again', async () => {
    const { token } = await server.profile();
    const [asked, other] = [await joined(token, { progress: true }), await joined(token, { progress: 'true' })];
    const { commandId } = await server.done(
      '/public-key/register-public-key',
      { publicKey: await newKey(token) },
      token,
    );
    const about = ({ frames }: TestSocket) =>
      frames.filter(({ data }) => data?.id === commandId).map(({ data }) => [data.command_status, data.body]);
    const ofType2 = (frame: any) => frame.data?.id === commandId && frame.data.command_status === 2;
    await Promise.all([asked, other].map((socket) => socket.until(ofType2)));
    expect(about(asked)).toEqual([
      [1, 'started'],
      [2, expect.any(Object)],
    ]);
    expect(about(other)).toEqual([[2, expect.any(Object)]]);
    const late = await joined(token, { progress: true });
    await late.until(ofType2);
    expect(about(late)).toEqual([[2, expect.any(Object)]]);
  });
});

test('how far a command has come is told to those who asked for it, until it has ended', async () => {
  const { token } = await server.profile();
  const [asked, other] = [await joined(token, { progress: true }), await joined(token)];
  const progress = server.served.app.get(Progress);
  const publicKey = await newKey(token);
  const about = ({ frames }: TestSocket, id: string) =>
    frames.filter(({ data }) => data?.id === id).map(({ data }) => [data.command_status, data.body]);

  const running = uuid7();
  const profileId = (await server.get('/profile/retrieve-profile-id', { token })).body.profileId;
  const streams = server.served.app.get(Streams);
  const cause = { commandId: running, correlationId: running, causationId: running, actor: system };
  const accepted = { commandId: running, commandType: 'storage/synchronize-storage', profileId, requestId: null };
  await streams.append(
    `command-${running}`,
    'none',
    [
      {
        type: 'command.accepted',
        version: 1,
        data: { ...accepted, idempotencyKeyHash: null, anonymous: false, partOf: null },
        personal: { subject: profileId, fields: { input: {}, location: null } },
      },
    ],
    cause,
  );
  const poolId = uuid7();
  const poll = { poolId, chainId: poolId, profileId, commandId: running, gated: true, attempt: 1 };
  await streams.append(`poll-${poolId}`, 'none', [{ type: 'poll.created', version: 1, data: poll }], cause);
  await asked.until(({ data }) => data?.id === running && data.body === 'pending_vote');
  progress.report(running, { done: 3, total: 10 });
  await asked.until(({ data }) => data?.id === running && data.body?.done === 3);
  await server.served.app.get(Commands).settle(running, { status: 'succeeded', result: null, cursor: null }, profileId);
  await Promise.all([asked.until(({ data }) => data?.id === running && data.command_status === 2), other.end(running)]);
  progress.report(running, { done: 10, total: 10 });

  const { commandId } = await server.done('/public-key/register-public-key', { publicKey }, token);
  await asked.until(({ data }) => data?.id === commandId && data.command_status === 2);
  await other.end(commandId);
  expect(about(asked, running)).toEqual([
    [1, 'started'],
    [1, 'pending_vote'],
    [1, { done: 3, total: 10 }],
    [2, null],
  ]);
  expect(about(other, running)).toEqual([[2, null]]);
});

describe('connections', () => {
  test('one that has not joined within 60 s is closed with 4408; one that joined and left stays', async () => {
    const { token } = await server.profile({ withKey: false });
    const [idle, left] = [await opened(), await joined(token)];
    left.send({ action: 'leaveChannel', data: { authorizationToken: token, correlationId: 'left' } });
    await left.until((frame) => frame.correlationId === 'left');
    const closed = once(idle.socket, 'close');
    clock.advance(61);
    expect((await closed)[0]).toBe(4408);
    expect(left.socket.readyState).toBe(WebSocket.OPEN);
  });

  test('one that leaves two pings unanswered is closed', async () => {
    const { token } = await server.profile({ withKey: false });
    const deaf = new WebSocket(`${server.url.replace('http', 'ws')}/ws`, { autoPong: false });
    await once(deaf, 'open');
    deaf.send(JSON.stringify({ action: 'joinChannel', data: { authorizationToken: token } }));
    await once(deaf, 'message');
    const alive = await joined(token);
    const closed = once(deaf, 'close');
    for (let ping = 1; ping <= 2; ping++) {
      const [pinged, other] = [once(deaf, 'ping'), once(alive.socket, 'ping')];
      clock.advance(30);
      await Promise.all([pinged, other]);
    }
    clock.advance(30);
    expect((await closed)[0]).toBe(1006);
    expect(alive.socket.readyState).toBe(WebSocket.OPEN);
  });

  test('a channel ends with its token’s time, the connection goes on', async () => {
    const { token, username } = await server.profile({ withKey: false });
    const socket = await joined(token);
    clock.advance(86_400);
    const closing = await socket.until((frame) => frame.status === 401);
    expect(closing.data).toEqual({
      channelId: socket.frames[0].data.channelId,
      message: 'Channel closed: authorization ended.',
    });
    socket.send({
      action: 'joinChannel',
      data: { authorizationToken: await server.login(username), correlationId: 'again' },
    });
    expect((await socket.until((frame) => frame.correlationId === 'again')).status).toBe(200);
  });
});
