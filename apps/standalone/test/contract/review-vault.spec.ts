import { readdir } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { parsePublicKey, randomBytes, sealStreamTo, uuid7 } from '@symbolon/crypto';
import { instant, ManualClock } from '@symbolon/kernel';
import { Deadlines } from '@symbolon/projection';
import { type TestAnswer, TestDevice, type TestProfile, TestServer, TestSocket } from '@symbolon/testing';

/** Limits, forms and combinations of rows 23 to 46 that the specs of the rows do not reach. */
let clock: ManualClock;
let server: TestServer;
let ada: TestProfile;
let device: TestDevice;

beforeAll(async () => {
  clock = new ManualClock(Date.now());
  server = await TestServer.start({ clock });
  ada = await server.profile();
  device = await TestDevice.of(server, ada);
  await device.connect();
});

afterAll(async () => {
  await device.leave();
  await server.stop();
});

const reservePath = '/data-token/reserve-token-space';
const exchangePath = '/data-token/exchange-data-for-token';
const updatePath = '/data-token/update-data';
const listPath = '/data-token/list-data-tokens';

const temporary = (commandId: string) =>
  server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, { token: ada.token });
async function reserve(fields: object = {}) {
  const { commandId, body } = await server.done(reservePath, { context: 'tests', ...fields }, ada.token);
  return { commandId, reserved: body, ...(await temporary(commandId)).body };
}
async function stored(bytes: Buffer = Buffer.from('abc'), fields: object = {}): Promise<string> {
  const { token } = await reserve(fields);
  await server.done(exchangePath, { temporaryTokenSpace: token, data: bytes.toString('base64') }, ada.token);
  return token;
}
async function fetched(token: string): Promise<Buffer> {
  const { body } = await server.done('/data-token/request-data', { token }, ada.token);
  return Buffer.from(await (await fetch(body.downloadUrl)).arrayBuffer());
}
const list = async (filters: Record<string, string>, more: Record<string, string> = {}) => {
  const named = Object.entries(filters).map(([name, value]) => [`filters[${name}]`, value] as [string, string]);
  const { status, body } = await server.get(
    `${listPath}?${new URLSearchParams([...named, ...Object.entries(more)])}`,
    ada,
  );
  expect(status).toBe(200);
  return body;
};
const item = async (token: string) => (await list({ token })).items[0];
const outcome = async (path: string, json: object): Promise<string> => {
  const { status, body } = await server.post(path, { json, token: ada.token, wait: 30 });
  return status === 200 ? (body.reason ?? body.status ?? 'ok') : `${status} ${body.code}`;
};

describe('data in a call', () => {
  const most = randomBytes(262_144);
  const text = most.toString('base64');
  const multipart = (fields: Record<string, string>) => {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    return form;
  };

  test.each([
    ['JSON', (fields: Record<string, string>) => ({ json: fields })],
    ['a form', (fields: Record<string, string>) => ({ form: fields })],
    ['multipart', (fields: Record<string, string>) => ({ body: multipart(fields) })],
  ])('may have 262,144 bytes as %s, and none more', async (_, as) => {
    const { token } = await reserve();
    const over = Buffer.concat([most, Buffer.alloc(1)]).toString('base64');
    for (const [path, name] of [
      [exchangePath, 'temporaryTokenSpace'],
      [updatePath, 'dataToken'],
    ] as const) {
      const call = (data: string) => server.post(path, { ...as({ [name]: token, data }), token: ada.token, wait: 30 });
      const refused = await call(over);
      expect([refused.status, refused.body.code]).toEqual([413, 'payload_too_large']);
      expect((await call(text)).body.status).toBe('succeeded');
      expect((await fetched(token)).equals(most)).toBe(true);
    }
  });

  test('may be one byte, and in row 32 not none', async () => {
    const token = await stored(Buffer.from('a'));
    expect(await fetched(token)).toEqual(Buffer.from('a'));
    expect(await outcome(updatePath, { token, data: '' })).toBe('422 validation_failed');
    expect(await outcome(updatePath, { token, data: 'YQ' })).toBe('succeeded');
  });
});

describe('a form with brackets', () => {
  test('has the fields of the same JSON', async () => {
    const { body } = await server.post(reservePath, {
      form: {
        context: ' a ',
        ttl: '7',
        'meta[file][fileName]': 'ä.txt',
        'meta[file][size]': '12',
        'meta[data][type]': 'note',
        'meta[data][tags][]': 'x',
        'meta[information_security_risk][classification]': 'c',
        'meta[information_security_risk][label]': 'l',
        'meta[information_security_risk][handling]': 'h',
      },
      token: ada.token,
      wait: 30,
    });
    const { token, expiresAt } = (await temporary(body.commandId)).body;
    expect(Date.parse(expiresAt)).toBe(Math.floor(clock.millis() / 1000) * 1000 + 7 * 60_000);
    expect(body.body).toEqual({ expiresAt });
    expect(await item(token)).toEqual({
      token,
      context: ' a ',
      meta: {
        file: { fileName: 'ä.txt', size: 12 },
        data: { type: 'note', tags: ['x'] },
        information_security_risk: { classification: 'c', label: 'l', handling: 'h' },
      },
      status: 'temporary',
      size: null,
      version: null,
      createdAt: expect.any(String),
      updatedAt: expect.any(String),
      expiresAt,
    });
  });

  test('meta may have 16 KiB as compact JSON', async () => {
    const meta = (bytes: number) => ({ data: { x: 'ä'.repeat((bytes - '{"data":{"x":""}}'.length) / 2) } });
    const exact = 16_384 - 1;
    expect(Buffer.byteLength(JSON.stringify(meta(exact)))).toBe(exact);
    expect(await outcome(reservePath, { context: 'a', meta: meta(exact) })).toBe('succeeded');
    expect(await outcome(reservePath, { context: 'a', meta: meta(exact + 2) })).toBe('422 validation_failed');
    const text = JSON.stringify(meta(exact), null, 2);
    expect(Buffer.byteLength(text)).toBeGreaterThan(16_384);
    expect(await outcome(reservePath, { context: 'a', meta: text })).toBe('succeeded');
  });
});

describe('24 Retrieve temporary data token', () => {
  test('each call gives a new auth and voids the one before; host, port and auth make a URL as well', async () => {
    const { commandId, ...first } = await reserve();
    const second = (await temporary(commandId)).body;
    expect(second.token).toBe(first.token);
    expect(second.stream).toBe(`${server.url}/upstream/?auth=${second.streamAuthenticationToken}`);
    expect(Object.keys(second).sort()).toEqual([
      'expiresAt',
      'stream',
      'streamAuthenticationToken',
      'streamServerId',
      'streamServerPort',
      'token',
    ]);
    expect((await server.post(first.stream, { body: 'x' })).status).toBe(401);
    expect((await server.post(second.stream)).body.code).toBe('validation_failed');
    const { streamServerId, streamServerPort, streamAuthenticationToken } = second;
    const url = `${streamServerId}:${streamServerPort}/?auth=${streamAuthenticationToken}`;
    const { body } = await server.call('PUT', url, { body: 'x', wait: 30 });
    expect(body.body).toEqual({ token: first.token, version: 1, size: 1 });
    expect((await temporary(commandId)).status).toBe(404);
  });

  test('the auth of an upload may be the whole URL', async () => {
    for (const [verb, path] of [
      ['POST', '/upstream/'],
      ['PUT', '/'],
    ] as const) {
      const { stream } = await reserve();
      const { body } = await server.call(verb, `${path}?auth=${encodeURIComponent(stream)}`, { body: 'x', wait: 30 });
      expect(body.status).toBe('succeeded');
    }
  });

  test('knows no id that is none, and no other command', async () => {
    const token = await stored();
    const { commandId } = await server.done('/data-token/delete-data', { token }, ada.token);
    for (const id of ['x', uuid7(), commandId, '%00']) expect([id, (await temporary(id)).status]).toEqual([id, 404]);
  });
});

describe('the state of a token in every row', () => {
  const risk = { classification: 'a', label: 'b', handling: 'c' };
  const rows = async (token: string) => [
    await outcome('/data-token/request-data', { token }),
    await outcome('/data-token/configure-information-security-risk-meta', { token, ...risk }),
    await outcome('/data-token/configure-file-meta', { token, fileName: 'a', extension: '' }),
    await outcome(updatePath, { token, data: 'AAAA' }),
    await outcome(updatePath, { token, context: 'x' }),
    (await server.get(`/data-token/transaction-count-statistics?token=${token}`, ada)).body.code ?? 'ok',
    (await list({ token })).meta.count,
  ];

  test('temporary', async () => {
    const { token } = await reserve();
    expect(await rows(token)).toEqual([
      'data_token.not_permanent',
      'data_token.not_permanent',
      'ok',
      'data_token.not_permanent',
      'data_token.not_permanent',
      'ok',
      1,
    ]);
    expect((await item(token)).status).toBe('temporary');
    expect(await outcome('/data-token/delete-data', { token })).toBe('succeeded');
  });

  test.each(['deleted', 'expired', 'unknown'])('%s', async (state) => {
    const { token, commandId, stream } =
      state === 'unknown' ? ({ token: `dt_${'A'.repeat(43)}` } as any) : await reserve({ ttl: 1 });
    if (state === 'deleted') await server.done('/data-token/delete-data', { token }, ada.token);
    if (state === 'expired') clock.advance(60);
    expect(await rows(token)).toEqual([
      '404 data_token.not_found',
      'data_token.not_found',
      '404 data_token.not_found',
      'data_token.not_found',
      'data_token.not_found',
      'data_token.not_found',
      0,
    ]);
    expect(await outcome(exchangePath, { temporaryTokenSpace: token, data: 'AAAA' })).toBe(
      state === 'expired' ? 'data_token.expired' : 'data_token.not_found',
    );
    expect(await outcome('/data-token/delete-data', { token })).toBe('data_token.not_found');
    if (commandId) expect((await temporary(commandId)).status).toBe(404);
    if (stream) expect((await server.post(stream, { body: 'x' })).status).toBe(401);
  });
});

describe('30 Configure file meta', () => {
  const path = '/data-token/configure-file-meta';
  test('replaces the whole section', async () => {
    const token = await stored(undefined, { meta: { file: { fileName: 'a', path: '/p', size: 3 } } });
    await server.post(path, { json: { token, fileName: 'b', extension: '' }, token: ada.token });
    expect((await item(token)).meta.file).toEqual({ fileName: 'b', extension: '' });
  });

  test.each([
    [{ fileName: 'a' }, 'extension'],
    [{ fileName: 'a', extension: null }, 'extension'],
    [{ fileName: '', extension: '' }, 'fileName'],
    [{ extension: '' }, 'fileName'],
    [{ fileName: 'x'.repeat(256), extension: '' }, 'fileName'],
    [{ fileName: 'a', extension: 'x'.repeat(33) }, 'extension'],
    [{ fileName: 'a', extension: '', size: -1 }, 'size'],
    [{ fileName: 'a', extension: '', size: 'x' }, 'size'],
    [{ fileName: 'a', extension: '', path: 'x'.repeat(1025) }, 'path'],
    [{ fileName: 'a', extension: '', context: 'x'.repeat(256) }, 'context'],
  ])('refuses %j', async (fields, wrong) => {
    const { status, body } = await server.post(path, { json: { token: 'dt_x', ...fields }, token: ada.token });
    expect([status, Object.keys(body.errors)]).toEqual([422, [wrong]]);
  });
});

describe('31 List data tokens', () => {
  test('every filter holds exactly, case and all, and all together', async () => {
    const context = 'Ünder/one/very/long/context/that/has/more/than/32/code/points';
    const one = await stored(undefined, {
      context,
      meta: { file: { fileName: 'Report*.pdf', extension: 'pdf' }, data: { type: 'Note' } },
    });
    const two = (await reserve({ context: `${context}!`, meta: { file: { fileName: 'report', extension: '' } } }))
      .token;
    const tokens = async (filters: Record<string, string>) =>
      (await list({ ...filters })).items.map(({ token }: { token: string }) => token);
    for (const [filters, expected] of [
      [{ context }, [one]],
      [{ context: `${context}*` }, [two, one]],
      [{ context: `${context.slice(0, 40)}*` }, [two, one]],
      [{ context: context.toLowerCase() }, []],
      [{ context: `${context.toLowerCase().slice(0, 5)}*` }, []],
      [{ context: `${context}*`, status: 'permanent' }, [one]],
      [{ context: `${context}*`, status: 'temporary' }, [two]],
      [{ context: `${context}*`, status: 'deleted' }, []],
      [{ context: `${context}*`, token: two }, [two]],
      [{ context, token: two }, []],
      [{ 'meta.file.fileName': 'Report*' }, [one]],
      [{ 'meta.file.fileName': 'Report**' }, [one]],
      [{ 'meta.file.fileName': 'R*', context: 'Ü*', 'meta.data.type': 'Note', 'meta.file.extension': 'pdf' }, [one]],
      [{ 'meta.file.fileName': 'R*', context: 'Ü*', 'meta.data.type': 'note' }, []],
      [{ 'meta.file.extension': 'pd*' }, []],
      [{ 'meta.data.type': 'N*' }, []],
      [{ 'meta.file.extension': '', context: `${context}*` }, [two]],
      [{ token: `${two.slice(0, 20)}*` }, []],
      [{ 'meta.file.fileName': '*', context: `${context}*` }, [two, one]],
    ] as const)
      expect([filters, await tokens(filters as Record<string, string>)]).toEqual([filters, expected]);
    expect(await list({ context: `${context}*` }, { page: '2', perPage: '1' })).toMatchObject({
      items: [{ token: one }],
      meta: { count: 2, page: 2, perPage: 1 },
    });
    expect(await list({ context: `${context}*` }, { page: '9' })).toEqual({
      items: [],
      meta: { count: 2, page: 9, perPage: 25 },
    });
  });
});

describe('32 Update data token', () => {
  test('a section replaces its section; short forms keep the other keys, also of a section given with them', async () => {
    const token = await stored(undefined, { meta: { file: { fileName: 'a', path: '/p' }, data: { type: 't', x: 1 } } });
    await server.done(updatePath, { token, extension: '' }, ada.token);
    expect((await item(token)).meta.file).toEqual({ fileName: 'a', path: '/p', extension: '' });
    await server.done(updatePath, { token, meta: { file: { path: '/q' } }, fileName: 'b' }, ada.token);
    expect((await item(token)).meta.file).toEqual({ fileName: 'b', path: '/q' });
    await server.done(updatePath, { token, meta: { data: {}, file: {} } }, ada.token);
    expect((await item(token)).meta).toEqual({ file: {}, data: {}, information_security_risk: null });
    expect((await item(token)).context).toBe('tests');
  });

  test.each([
    {},
    { meta: {} },
    { meta: { other: { a: 1 } } },
    { meta: { information_security_risk: { label: 'a' } } },
    { context: '' },
    { fileName: '' },
    { extension: 'x'.repeat(33) },
    { data: '***' },
  ])('refuses %j', async (fields) => {
    expect(await outcome(updatePath, { dataToken: 'dt_x', ...fields })).toBe('422 validation_failed');
  });
});

describe('34 Get data token transaction count statistics', () => {
  const path = '/data-token/transaction-count-statistics';
  const ask = (query: Record<string, string>): Promise<TestAnswer> =>
    server.get(`${path}?${new URLSearchParams(query)}`, ada);

  test('begins each period at its start, and has up to 1000 of them', async () => {
    const days = await ask({ from: '2026-02-21T15:33:44+00:00', to: '2026-02-23T00:00:00+00:00' });
    expect(days.body.items.map(({ period }: { period: string }) => period)).toEqual([
      '2026-02-21T00:00:00+00:00',
      '2026-02-22T00:00:00+00:00',
      '2026-02-23T00:00:00+00:00',
    ]);
    expect(days.body.meta).toEqual({
      count: 3,
      from: '2026-02-21T15:33:44+00:00',
      to: '2026-02-23T00:00:00+00:00',
      interval: 'day',
    });
    expect(Object.keys(days.body.items[0])).toEqual([
      'period',
      'reserved',
      'exchanged',
      'requested',
      'downloaded',
      'updated',
      'deleted',
      'total',
    ]);
    const from = '2026-01-01T00:00:00+00:00';
    const hours = (count: number) =>
      new Date(Date.parse(from) + count * 3_600_000).toISOString().replace('.000Z', '+00:00');
    expect((await ask({ from, to: hours(999), interval: 'hour' })).body.meta.count).toBe(1000);
    expect((await ask({ from, to: hours(1000), interval: 'hour' })).status).toBe(422);
    expect((await ask({ from, to: from })).body.meta.count).toBe(1);
    expect((await ask({ from: hours(1), to: from })).status).toBe(422);
    expect((await server.get(`${path}?from=${from}&to=${from}`, ada)).status).toBe(200);
  });
});

describe('devices', () => {
  const outcomeOf = (path: string, json: object) => outcome(`/device/${path}`, json);
  const register = async (fields: object = {}) =>
    (await server.done('/device/request-unique-identifier', { deviceName: 'new', ...fields }, ada.token)).body
      .deviceIdentifier as string;
  const devices = async (query = '') =>
    (await server.get(`/device/retrieve-profile-devices?perPage=100${query}`, ada)).body.items;
  const shown = async (id: string, query = '') =>
    (await devices(query)).find(({ deviceIdentifier }: { deviceIdentifier: string }) => deviceIdentifier === id);

  test('37 shows the roles of a device as they come and go', async () => {
    const { deviceIdentifier } = await TestDevice.of(server, ada, { storage: false });
    const roles = async (query = '') => (await shown(deviceIdentifier, query)).roles;
    expect(await roles()).toEqual([]);
    await server.done('/verified-authenticator/register', { deviceIdentifier }, ada.token);
    expect(await roles()).toEqual(['authenticator']);
    await server.done('/storage/register', { deviceIdentifier }, ada.token);
    expect(await roles()).toEqual(['storage', 'authenticator']);
    await server.done('/storage/remove', { deviceIdentifier }, ada.token);
    expect(await roles()).toEqual(['authenticator']);
    await server.done('/verified-authenticator/remove', { deviceIdentifier }, ada.token);
    expect(await roles()).toEqual([]);
    await server.done('/verified-authenticator/register', { deviceIdentifier }, ada.token);
    await server.done('/device/remove', { deviceIdentifier }, ada.token);
    expect(await roles('&status=removed')).toEqual([]);
  });

  test('37 filters by status, and knows no other', async () => {
    const [pending, rejected] = [await register(), await register()];
    await server.done('/device/reject-device', { deviceIdentifier: rejected }, ada.token);
    for (const status of ['pending', 'approved', 'rejected', 'removed']) {
      const found = await devices(`&status=${status}`);
      expect(found.every((one: { status: string }) => one.status === status)).toBe(true);
    }
    expect(await shown(pending, '&status=pending')).toMatchObject({ online: false, lastSeenAt: null });
    expect(await shown(rejected)).toMatchObject({ status: 'rejected' });
    expect((await server.get('/device/retrieve-profile-devices?status=gone', ada)).status).toBe(422);
  });

  test('35 to 43 say why a state does not allow them', async () => {
    const steps = ['approve-device', 'reject-device', 'remove'] as const;
    const of = async (deviceIdentifier: string) => [
      await outcome('/storage/register', { deviceIdentifier }),
      (await server.get(`/device/retrieve-device-configuration/${deviceIdentifier}`, ada)).body.code ?? 'ok',
      (await server.get(`/device/retrieve-device-configuration/${deviceIdentifier}?rotate=true`, ada)).body.code ??
        'ok',
    ];
    const pending = await register();
    expect(await of(pending)).toEqual(['device.not_approved', 'device.not_approved', 'device.not_approved']);
    expect(await outcomeOf(steps[0], { deviceIdentifier: pending })).toBe('succeeded');
    expect(await outcomeOf(steps[0], { deviceIdentifier: pending })).toBe('device.not_pending');
    expect(await outcomeOf(steps[1], { deviceIdentifier: pending })).toBe('device.not_pending');
    expect(await of(pending)).toEqual(['device.public_key_missing', 'ok', 'ok']);
    const rejected = await register();
    expect(await outcomeOf(steps[1], { deviceIdentifier: rejected })).toBe('succeeded');
    expect(await outcomeOf(steps[0], { deviceIdentifier: rejected })).toBe('device.not_pending');
    expect(await of(rejected)).toEqual(['device.not_approved', 'device.not_approved', 'device.not_approved']);
    expect(await of(uuid7())).toEqual(['device.not_found', 'not_found', 'not_found']);
    expect(await outcomeOf('configure-meta', { deviceIdentifier: pending })).toBe('422 validation_failed');
    expect(await outcomeOf('configure-meta', { deviceIdentifier: pending, meta: {} })).toBe('succeeded');
    expect(await outcomeOf('configure-meta', { deviceIdentifier: 'x', name: 'a' })).toBe('422 validation_failed');
    expect((await shown(pending)).meta).toEqual({});
  });

  test('35, 36 and 41 check the form of their fields', async () => {
    const request = (fields: object) => outcomeOf('request-unique-identifier', fields);
    expect(await request({ deviceName: '🕰'.repeat(100), meta: '{"a":1}' })).toBe('succeeded');
    expect(await request({ deviceName: '🕰'.repeat(101) })).toBe('422 validation_failed');
    expect(await request({ deviceName: 'a', meta: [1] })).toBe('422 validation_failed');
    expect(await request({ deviceName: 'a', meta: { a: 'x'.repeat(16_384) } })).toBe('422 validation_failed');
    expect(await request({ deviceName: 'a', publicKey: '00'.repeat(100) })).toBe('422 public_key.invalid');
    expect(await request({ deviceName: 'a', signingKey: 'xy' })).toBe('422 public_key.invalid');
    for (const id of ['x', '', null, undefined])
      expect(await outcomeOf('retrieve-unique-identifier', { id })).toBe('422 validation_failed');
    expect(await outcomeOf('retrieve-unique-identifier', { id: uuid7() })).toBe('404 not_found');
    expect(await outcomeOf('download-device-configuration', {})).toBe('422 validation_failed');
    const { deviceIdentifier } = device;
    const rotated = `/device/retrieve-device-configuration/${deviceIdentifier}?rotate=perhaps`;
    expect((await server.get(rotated, ada)).status).toBe(422);
    const shownAgain = await server.post('/device/download-device-configuration', {
      form: { deviceIdentifier, rotate: '0' },
      token: ada.token,
    });
    expect(Object.keys(shownAgain.body).sort()).toEqual([
      'cab-public-key',
      'channel-url',
      'client-id',
      'device-identifier',
      'jwks-url',
    ]);
  });

  test('44 and 46 are of storage devices alone', async () => {
    const { body } = await server.get('/storage/list-storage-devices', ada);
    expect(body.items.map((one: object) => Object.keys(one).sort())).toEqual([
      ['deviceIdentifier', 'lastSeenAt', 'name', 'online', 'registeredAt', 'status', 'tokensHeld'],
    ]);
    expect(body.items[0]).toMatchObject({
      deviceIdentifier: device.deviceIdentifier,
      online: true,
      status: 'approved',
    });
    expect(await outcome('/storage/remove', { deviceIdentifier: uuid7() })).toBe('storage.not_registered');
    expect(await outcome('/storage/synchronize', { deviceIdentifier: uuid7() })).toBe('storage.not_registered');
    const { deviceIdentifier } = device;
    const sourceDeviceIdentifier = await register();
    expect(await outcome('/storage/synchronize', { deviceIdentifier, sourceDeviceIdentifier })).toBe(
      'storage.not_registered',
    );
  });
});

describe('the device channel', () => {
  const { sendFrame } = TestDevice.prototype;
  const frame = (change: object) => ({
    v: 1,
    id: uuid7(),
    type: 'storage.write_ack',
    deviceIdentifier: device.deviceIdentifier,
    correlationId: null,
    at: clock.now(),
    body: { sealed: 'AAAA' },
    ...change,
  });

  test.each([
    ['in the name of another device', { deviceIdentifier: uuid7() }, 'storage.write_ack'],
    ['of a type that nobody knows', { type: 'storage.explode' }, 'storage.explode'],
    ['of a type that only the server sends', { type: 'storage.write' }, 'storage.write'],
    ['with a body in the clear', { body: { objectId: 'a' } }, 'storage.write_ack'],
    ['of another version', { v: 2 }, 'storage.write_ack'],
  ])('a message %s is confirmed and answered with error', async (_, change, refType) => {
    const sent = frame(change);
    const errors = device.count('error');
    sendFrame.call(device, sent);
    const { envelope, content } = await device.got('error', errors + 1);
    expect(envelope).toMatchObject({
      type: 'error',
      correlationId: sent.id,
      deviceIdentifier: device.deviceIdentifier,
    });
    expect(content).toEqual({ code: 'device.envelope_invalid', message: expect.any(String), refType });
    await device.until(() => device.acks.has(sent.id));
  });

  test('an error is never answered with an error, a ping is with a pong', async () => {
    const errors = device.count('error');
    const pongs = device.count('device.pong');
    for (const body of [{ code: 'x', message: 'y', refType: 'z' }, {}, { code: 7 }])
      device.sendFrame(frame({ type: 'error', correlationId: uuid7(), body }));
    device.sendFrame(frame({ type: 'device.pong', correlationId: uuid7(), body: {} }));
    const ping = frame({ type: 'device.ping', body: {} });
    device.sendFrame(ping);
    const { envelope } = await device.got('device.pong', pongs + 1);
    expect(envelope).toMatchObject({ correlationId: ping.id, body: {} });
    expect(envelope).not.toHaveProperty('sig');
    expect(device.count('error')).toBe(errors);
  });

  test('a ping that comes again has the same pong, and an old one none', async () => {
    const pongs = device.count('device.pong');
    // Of members that it does not know an envelope may have any, `ack` too.
    const ping = frame({ type: 'device.ping', body: {}, ack: uuid7() });
    sendFrame.call(device, ping);
    const { envelope } = await device.got('device.pong', pongs + 1);
    await device.until(() => device.acks.has(ping.id));
    const old = frame({ type: 'device.ping', body: {}, at: instant(clock.millis() - 7 * 86_400_000 - 1000) });
    sendFrame.call(device, old);
    await device.until(() => device.acks.has(old.id));
    sendFrame.call(device, ping);
    const { envelope: again } = await device.got('device.pong', pongs + 2);
    expect([again.id, again.correlationId]).toEqual([envelope.id, ping.id]);
  });

  test('write_failed and a wrong digest bring the write again, with the same id', async () => {
    const { token } = await reserve();
    const usual = device.behaviour['storage.write']!;
    device.behaviour['storage.write'] = () => undefined;
    const writes = device.count('storage.write');
    const json = { temporaryTokenSpace: token, data: 'AAAA' };
    const { body } = await server.post(exchangePath, { json, token: ada.token });
    const first = await device.got('storage.write', writes + 1);
    const { objectId, version } = first.content;
    const errors = device.count('error');
    const wrong = { objectId, version, sha256: 'ab'.repeat(32), storedAt: clock.now() };
    const id = device.say('storage.write_ack', wrong, first.envelope.id);
    expect((await device.got('error', errors + 1)).content).toMatchObject({
      code: 'storage.digest_mismatch',
      refType: 'storage.write_ack',
    });
    device.say('storage.write_ack', wrong, first.envelope.id, { id });
    expect((await device.got('error', errors + 2)).envelope.correlationId).toBe(id);
    clock.advance(30);
    const second = await device.got('storage.write', writes + 2);
    expect(second.envelope.id).toBe(first.envelope.id);
    device.sendFrame(
      frame({
        type: 'error',
        correlationId: first.envelope.id,
        body: { code: 'storage.write_failed', message: 'full', refType: 'storage.write' },
      }),
    );
    device.behaviour['storage.write'] = usual;
    await device.store(second);
    expect((await server.get(`/request-status/${body.commandId}`, { ...ada, wait: 30 })).body.status).toBe('succeeded');
  });
});

describe('time', () => {
  const deadlines = () => server.served.app.get(Deadlines).runDue();

  test('a write that no device takes fails after 60 s: a new token stays, an old one keeps its data', async () => {
    const kept = await stored(Buffer.from('old'));
    const { token, stream } = await reserve({ ttl: 60 });
    const usual = device.behaviour['storage.write']!;
    device.behaviour['storage.write'] = () => undefined;
    const writes = device.count('storage.write');
    const started = [
      await server.post(exchangePath, { json: { temporaryTokenSpace: token, data: 'AAAA' }, token: ada.token }),
      await server.post(updatePath, { json: { token: kept, data: 'AAAA', context: 'new' }, token: ada.token }),
    ];
    await device.got('storage.write', writes + 2);
    expect(await outcome(updatePath, { token: kept, data: 'BBBB' })).toBe('data_token.busy');
    expect(await fetched(kept)).toEqual(Buffer.from('old'));
    clock.advance(59);
    await deadlines();
    for (const { body } of started)
      expect((await server.post(`/request-status/${body.commandId}`)).body).toBe('started');
    clock.advance(1);
    for (const { body } of started) {
      const end = await server.get(`/request-status/${body.commandId}`, { ...ada, wait: 30 });
      expect(end.body.reason).toBe('storage.no_device_answered');
    }
    expect(await item(token)).toMatchObject({ status: 'temporary', version: null, size: null });
    expect(await item(kept)).toMatchObject({ status: 'permanent', version: 1, context: 'tests' });
    expect(await fetched(kept)).toEqual(Buffer.from('old'));
    device.behaviour['storage.write'] = usual;
    expect(await outcome(updatePath, { token: kept, data: 'BBBB' })).toBe('succeeded');
    expect((await server.post(stream, { body: 'x', wait: 30 })).body.status).toBe('succeeded');
  });

  test('ttl counts from the success of 23', async () => {
    const before = clock.millis();
    const { reserved, expiresAt } = await reserve({ ttl: 1 });
    expect(reserved.expiresAt).toBe(expiresAt);
    expect(Date.parse(expiresAt)).toBe(Math.floor((before + 60_000) / 1000) * 1000);
  });
});

test('a channel hears of an upload’s end under the id of its answer', async () => {
  const socket = await TestSocket.join(server.url, ada.token);
  const { stream, token } = await reserve();
  const { body } = await server.post(stream, { body: 'abc' });
  expect(await socket.end(body.commandId)).toMatchObject({ command_status: 2, body: { token, version: 1, size: 3 } });
  await socket.close();
});

describe('what breaks off', () => {
  /** Files of the parcel store, half-written ones as well. */
  const parcels = async () => {
    const names = await readdir(join(server.dataDir, 'parcels'), { recursive: true });
    return names.filter((name) => name.includes('-'));
  };
  const empty = async () => {
    while ((await parcels()).length > 0) await new Promise(setImmediate);
  };
  const free = async () => {
    const running = 'select 1 from transfer.auth where holder is not null';
    while ((await server.database.pool.query(running)).rowCount !== 0) await new Promise(setImmediate);
  };
  const bytes = randomBytes(300_000);
  let token: string;

  beforeAll(async () => {
    clock.advance(600);
    await server.served.app.get(Deadlines).runDue();
    await empty();
  });

  /** Sends half of it, and goes. */
  const half = async (url: string, whole: Buffer) => {
    const request = httpRequest(url, { method: 'POST', headers: { 'content-length': String(whole.length) } });
    request.on('error', () => undefined);
    request.write(whole.subarray(0, whole.length / 2));
    while ((await parcels()).length === 0) await new Promise(setImmediate);
    request.destroy();
    await free();
    await empty();
  };

  test('an upload leaves nothing, and its auth usable', async () => {
    const reserved = await reserve({ ttl: 60 });
    ({ token } = reserved);
    await half(reserved.stream, bytes);
    const { body } = await server.post(reserved.stream, { body: new Uint8Array(bytes), wait: 30 });
    expect(body.body).toEqual({ token, version: 1, size: bytes.length });
    await empty();
  });

  test('an upload that ran past the time of its reservation ends it with itself', async () => {
    const late = await reserve({ ttl: 1 });
    clock.advance(50); // a transfer shows every few seconds that it lives, and this clock jumps
    const request = httpRequest(late.stream, { method: 'POST', headers: { 'content-length': '300000' } });
    request.on('error', () => undefined);
    request.write(bytes.subarray(0, 150_000));
    while ((await parcels()).length === 0) await new Promise(setImmediate);
    clock.advance(11);
    await server.served.app.get(Deadlines).runDue();
    expect(await item(late.token)).toMatchObject({ status: 'temporary' });
    request.destroy();
    await empty();
    while (await item(late.token)) await new Promise(setImmediate);
    expect(await outcome(exchangePath, { temporaryTokenSpace: late.token, data: 'AAAA' })).toBe('data_token.expired');
    expect((await server.post(late.stream, { body: 'x' })).status).toBe(401);
    await empty();
  });

  test('the way from and to a device as well', async () => {
    const { store, giveBack } = device;
    const usual = { ...device.behaviour };
    const broken: string[] = [];
    device.behaviour['storage.write'] = async (taken) => {
      const answer = await fetch(taken.content.payloadUrl);
      await answer.body!.cancel();
      await free();
      broken.push('write');
      await store.call(device, taken);
    };
    device.behaviour['storage.read'] = async (taken) => {
      const stored = device.objects.get(taken.content.objectId)!.at(-1)!.bytes;
      const { raw } = parsePublicKey(device.configuration['cab-public-key']!);
      await half(taken.content.uploadUrl, await buffer(Readable.from([stored]).pipe(sealStreamTo(raw))));
      broken.push('read');
      await giveBack.call(device, taken);
    };
    const { stream, ...reserved } = await reserve({ ttl: 60 });
    const { body } = await server.post(stream, { body: new Uint8Array(bytes), wait: 30 });
    expect(body.status).toBe('succeeded');
    await empty();
    expect((await fetched(reserved.token)).equals(bytes)).toBe(true);
    expect(broken).toEqual(['write', 'read']);
    await empty();
    Object.assign(device.behaviour, usual);
  });

  test('so do a batch that is refused, a write that is busy, and a token that is gone', async () => {
    const other = await server.profile();
    const items = [{ data: 'AAAA' }, { data: 'BBBB' }];
    const batch = await server.post('/data-token/batch', {
      json: { context: 'a', items },
      token: other.token,
      wait: 30,
    });
    expect(batch.body.reason).toBe('storage.no_devices');
    await empty();

    const { token: written, stream } = await reserve({ ttl: 60 });
    const usual = device.behaviour['storage.write']!;
    const writes = device.count('storage.write');
    device.behaviour['storage.write'] = () => undefined;
    const json = { temporaryTokenSpace: written, data: 'AAAA' };
    const { body } = await server.post(exchangePath, { json, token: ada.token });
    const write = await device.got('storage.write', writes + 1);
    expect((await server.post(stream, { body: 'x', wait: 30 })).body.reason).toBe('data_token.busy');
    expect(await parcels()).toHaveLength(1);
    device.behaviour['storage.write'] = usual;
    await device.store(write);
    expect((await server.get(`/request-status/${body.commandId}`, { ...ada, wait: 30 })).body.status).toBe('succeeded');
    expect(await outcome(updatePath, { token: `dt_${'B'.repeat(43)}`, data: 'AAAA' })).toBe('data_token.not_found');
    await empty();
  });

  test('a request for data whose token is deleted meanwhile ends', async () => {
    const usual = device.behaviour['storage.read']!;
    device.behaviour['storage.read'] = () => undefined;
    const reads = device.count('storage.read');
    const { body } = await server.post('/data-token/request-data', { json: { token }, token: ada.token });
    const read = await device.got('storage.read', reads + 1);
    const { remove } = device;
    device.behaviour['storage.delete'] = () => undefined;
    await server.done('/data-token/delete-data', { token }, ada.token);
    // At once, and not when the minute is over in which a device may answer.
    const { body: end } = await server.get(`/request-status/${body.commandId}`, { ...ada, wait: 30 });
    expect([end.status, end.reason]).toEqual(['rejected', 'data_token.not_found']);
    await device.giveBack(read);
    device.behaviour['storage.read'] = usual;
    device.behaviour['storage.delete'] = (taken) => remove.call(device, taken);
    expect((await server.post(read.content.uploadUrl, { body: 'x' })).status).toBe(401);
    await empty();
  });
});

describe('batches', () => {
  const path = '/data-token/batch';
  const value = (bytes: number) => Buffer.alloc(bytes, 1).toString('base64url');

  test.each([
    ['no items', { items: [] }, '422 validation_failed'],
    ['no list', { items: 'x' }, '422 validation_failed'],
    ['an item that is none', { items: ['AAAA'] }, '422 validation_failed'],
    ['1001 items', { items: Array.from({ length: 1001 }, () => ({ data: 'AA' })) }, '422 validation_failed'],
    ['an item without context', { context: undefined, items: [{ data: 'AA' }] }, '422 validation_failed'],
    ['a context that is too long', { items: [{ data: 'AA', context: 'x'.repeat(256) }] }, '422 validation_failed'],
    ['no data', { items: [{ data: '' }] }, '422 validation_failed'],
    ['65,537 bytes', { items: [{ data: 'AA' }, { data: value(65_537) }] }, '413 payload_too_large'],
  ])('refuses %s', async (_, fields, expected) => {
    expect(await outcome(path, { context: 'many', ...fields })).toBe(expected);
  });

  test('take 65,536 bytes, a form, and contexts of their own; each value comes back, sealed where asked', async () => {
    const { body } = await server.post(path, {
      form: { context: 'common', 'items[0][data]': value(65_536), 'items[1][data]': 'AQ', 'items[1][context]': 'own' },
      token: ada.token,
      wait: 30,
    });
    expect(body.body.items).toMatchObject([
      { status: 'succeeded', reason: null, version: 1, size: 65_536 },
      { status: 'succeeded', reason: null, version: 1, size: 1 },
    ]);
    const tokens: string[] = body.body.items.map(({ token }: { token: string }) => token);
    expect(await Promise.all(tokens.map(async (token) => (await item(token)).context))).toEqual(['common', 'own']);
    const socket = await TestSocket.join(server.url, ada.token);
    const asked = await server.done('/data-token/batch-request', { tokens: [...tokens, 'dt_x'] }, ada.token);
    expect(asked.body.items).toMatchObject([
      { status: 'succeeded', token: tokens[0], outputType: 0, size: 65_536 },
      { status: 'succeeded', token: tokens[1], outputType: 0, size: 1 },
      { status: 'rejected', reason: 'data_token.not_found' },
    ]);
    for (const { requestId, size } of asked.body.items.slice(0, 2)) {
      const { data } = await socket.until(
        (frame) => frame.data?.type === 'X-DPT-CAB-REQUEST-ID' && frame.data.id === requestId,
      );
      expect(Buffer.from(data.body, 'base64')).toHaveLength(size);
    }
    await socket.close();
    const sealed = await server.done('/data-token/batch-request', { tokens: tokens.slice(1), sealed: true }, ada.token);
    const answer = await fetch(sealed.body.items[0].downloadUrl);
    expect((await answer.arrayBuffer()).byteLength).toBe(136 + 1 + 16);
    expect(await outcome('/data-token/batch-request', { tokens: [] })).toBe('422 validation_failed');
    expect(await outcome('/data-token/batch-request', { tokens: ['dt_x'] })).toBe('data_token.not_found');
  });
});

describe('27 Request data via token', () => {
  const path = '/data-token/request-data';
  test.each([
    ['true', 153],
    [true, 153],
    ['1', 153],
    [1, 153],
    ['false', 1],
    [0, 1],
    [null, 1],
  ])('sealed as %j gives %i bytes', async (sealed, length) => {
    const token = await stored(Buffer.from('a'));
    const { body } = await server.done(path, { token, sealed }, ada.token);
    expect(body).toEqual({
      requestId: expect.any(String),
      outputType: 0,
      size: 1,
      downloadUrl: expect.stringMatching(/\/downstream\/\?auth=[\w-]{43}$/),
      expiresAt: expect.any(String),
    });
    expect((await (await fetch(body.downloadUrl)).arrayBuffer()).byteLength).toBe(length);
  });

  test('of an auth given twice the last counts; the other way round it is none', async () => {
    const token = await stored(Buffer.from('a'));
    const { body } = await server.done(path, { token }, ada.token);
    const auth = new URL(body.downloadUrl).searchParams.get('auth')!;
    for (const [query, status] of [
      [`auth=${auth}&auth=x`, 401],
      [`auth=x&auth=${auth}&more=1`, 200],
    ] as const)
      expect((await fetch(`${server.url}/downstream/?${query}`)).status).toBe(status);
  });

  test('refuses another', async () => {
    expect(await outcome(path, { token: 'dt_x', sealed: 'yes' })).toBe('422 validation_failed');
    expect(await outcome(path, {})).toBe('422 validation_failed');
    expect(await outcome(path, { token: 'T-x' })).toBe('404 data_token.not_found');
  });
});

describe('a device without a signing key', () => {
  test('stores, gives back and deletes by its credentials alone; versions stay until it is told', async () => {
    const bob = await server.profile();
    const plain = await TestDevice.of(server, bob, { signing: false });
    await plain.connect();
    const { commandId } = await server.done(reservePath, { context: 'plain' }, bob.token);
    const { token } = (await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, bob)).body;
    await server.done(exchangePath, { temporaryTokenSpace: token, data: 'AAAA' }, bob.token);
    const usual = plain.behaviour['storage.delete']!;
    plain.behaviour['storage.delete'] = () => undefined;
    await server.done(updatePath, { token, data: 'AAAB' }, bob.token);
    const [objectId, versions] = [...plain.objects][0]!;
    expect(versions.map(({ version }) => version)).toEqual([1, 2]);
    clock.advance(60);
    await server.served.app.get(Deadlines).runDue();
    const order = await plain.got('storage.delete');
    expect(order.content).toEqual({ objectId, upToVersion: 1 });
    plain.behaviour['storage.delete'] = usual;
    await usual(order);
    expect(plain.objects.get(objectId)).toHaveLength(1);
    const { body } = await server.done('/data-token/request-data', { token }, bob.token);
    expect(Buffer.from(await (await fetch(body.downloadUrl)).arrayBuffer()).toString('base64')).toBe('AAAB');
    await server.done('/data-token/delete-data', { token }, bob.token);
    await plain.until(() => plain.objects.size === 0);
    const { rows } = await server.database.pool.query(
      `select data->>'signed' as signed from es.event
        where type = 'storage.write_acknowledged' and data->>'deviceIdentifier' = $1`,
      [plain.deviceIdentifier],
    );
    expect(rows).toEqual([{ signed: 'false' }, { signed: 'false' }]);
    await plain.leave();
  });
});
