import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import {
  generateKeyPair,
  importX25519Private,
  openStreamFrom,
  randomBytes,
  sealedStreamLength,
} from '@symbolon/crypto';
import { TestDevice, type TestProfile, TestServer, TestSocket } from '@symbolon/testing';

let server: TestServer;
let ada: TestProfile;
let eve: TestProfile;
let device: TestDevice;
const pair = generateKeyPair();

beforeAll(async () => {
  server = await TestServer.start();
  ada = await server.profile({ withKey: false });
  await server.done('/public-key/register-public-key', { publicKey: pair.publicKey }, ada.token);
  eve = await server.profile();
  device = await TestDevice.of(server, ada);
  await device.connect();
});

afterAll(async () => {
  await device.leave();
  await server.stop();
});

const exchangePath = '/data-token/exchange-data-for-token';
const temporary = (commandId: string, { token } = ada) =>
  server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, { token });

async function reserve(fields: object = {}, profile = ada) {
  const { commandId } = await server.done(
    '/data-token/reserve-token-space',
    { context: 'tests', ...fields },
    profile.token,
  );
  return { commandId, ...(await temporary(commandId, profile)).body } as {
    commandId: string;
    token: string;
    stream: string;
    streamAuthenticationToken: string;
  };
}

async function stored(bytes: Buffer, fields: object = {}): Promise<string> {
  const { token, stream } = await reserve(fields);
  const { body } = await server.post(stream, { body: new Uint8Array(bytes), wait: 30 });
  expect(body.status).toBe('succeeded');
  return token;
}

const ask = (token: string, fields: object = {}) =>
  server.done('/data-token/request-data', { token, ...fields }, ada.token);
const rejected = async (path: string, json: object, { token } = ada): Promise<string> => {
  const { status, body } = await server.post(path, { json, token, wait: 30 });
  expect([status, body.status, body.command_status, body.body]).toEqual([200, 'rejected', 3, null]);
  return body.reason;
};
const download = async (url: string) => {
  const answer = await fetch(url);
  return { status: answer.status, headers: answer.headers, bytes: Buffer.from(await answer.arrayBuffer()) };
};
const denials = async (profileId: string) => {
  const { rows } = await server.database.pool.query(
    `select data from es.event where type = 'access.denied' and data->>'profileId' = $1 order by position`,
    [profileId],
  );
  return rows.map(({ data: { method, path, code } }) => [method, path, code]);
};

describe('23 Reserve token space', () => {
  const path = '/data-token/reserve-token-space';

  test.each([
    [{ context: 'a', ttl: 1 }, 202],
    [{ context: 'a', ttl: '60' }, 202],
    [{ context: 'a', ttl: null }, 202],
    [{ context: '🕰'.repeat(255), ttl: 1 }, 202],
    [{ context: 'a\u0000b' }, 202],
    [{ context: 'a', meta: '{"file":{"size":"12"},"other":{"x":1}}' }, 202],
    [{ context: 'a', meta: { file: null, data: null, information_security_risk: null } }, 202],
    [{ context: 'a', ttl: 0 }, 422],
    [{ context: 'a', ttl: 61 }, 422],
    [{ context: 'a', ttl: 1.5 }, 422],
    [{ context: 'a', ttl: '5m' }, 422],
    [{ context: 'x'.repeat(256) }, 422],
    [{ context: '' }, 422],
    [{ context: null }, 422],
    [{}, 422],
    [{ context: 'a', meta: { file: { extension: 'x'.repeat(33) } } }, 422],
    [{ context: 'a', meta: { file: { path: 'x'.repeat(1025) } } }, 422],
    [{ context: 'a', meta: { file: { size: -1 } } }, 422],
    [{ context: 'a', meta: { data: { type: 'x'.repeat(101) } } }, 422],
    [{ context: 'a', meta: { information_security_risk: { classification: 'a', label: 'b' } } }, 422],
    [
      {
        context: 'a',
        meta: { information_security_risk: { classification: 'a', label: 'b', handling: 'x'.repeat(101) } },
      },
      422,
    ],
  ])('takes %j as %i', async (json, status) => {
    const answer = await server.post(path, { json, token: ada.token });
    expect([answer.status, answer.status === 422 ? answer.body.code : answer.body.status]).toEqual([
      status,
      status === 422 ? 'validation_failed' : 'started',
    ]);
  });

  test('ignores sections that it does not know', async () => {
    const { token } = await reserve({ meta: { file: { fileName: 'a' }, other: { secret: 1 } } });
    const query = new URLSearchParams({ 'filters[token]': token });
    const { body } = await server.get(`/data-token/list-data-tokens?${query}`, ada);
    expect(body.items[0].meta).toEqual({ file: { fileName: 'a' }, data: null, information_security_risk: null });
  });
});

describe('24 Retrieve temporary data token', () => {
  test('is for its owner; a stranger is answered as if there were none, and it is recorded', async () => {
    const { commandId } = await reserve();
    const mallory = await server.profile();
    const foreign = await temporary(commandId, mallory);
    const unknown = await temporary('0193b4c6-1f2e-7a41-b7d5-2c9e4a6f8b10', mallory);
    expect([foreign.status, foreign.text]).toEqual([404, unknown.text]);
    expect(await denials(mallory.profileId)).toEqual([
      ['GET', `/data-token/retrieve-temporary-data-token/${commandId}`, 'not_found'],
    ]);
  });

  test('ends with the deletion of the token', async () => {
    const { token, commandId, stream } = await reserve();
    await server.done('/data-token/delete-data', { token }, ada.token);
    expect((await temporary(commandId)).status).toBe(404);
    expect((await server.post(stream, { body: 'x' })).status).toBe(401);
  });

  test('voids no auth on which an upload is running', async () => {
    const { token, commandId, stream } = await reserve();
    const upload = httpRequest(stream, { method: 'POST', headers: { prefer: 'wait=30' } });
    upload.write('ab');
    const held = async () =>
      (await server.database.pool.query('select 1 from transfer.auth where holder is not null')).rowCount;
    while ((await held()) === 0) await new Promise(setImmediate);
    expect((await server.post(stream, { body: 'x' })).status).toBe(401);
    const next = (await temporary(commandId)).body;
    expect(next.streamAuthenticationToken).not.toBe(new URL(stream).searchParams.get('auth'));
    upload.end('c');
    const [answer] = await once(upload, 'response');
    expect(JSON.parse((await buffer(answer)).toString())).toMatchObject({
      status: 'succeeded',
      body: { token, size: 3 },
    });
    expect((await server.post(next.stream, { body: 'x' })).body?.code ?? 'none').toBe('unauthorized');
  });
});

describe('25 Exchange data for token', () => {
  const bytes = Buffer.from([0xfb, 0xff, 0xfe, 0]);

  test.each([
    ['standard', bytes.toString('base64')],
    ['standard without padding', '+//+AA'],
    ['url', '-__-AA'],
    ['url with padding', '-__-AA=='],
  ])('takes base64 in the %s form', async (_, data) => {
    const { token } = await reserve();
    const { body } = await server.done(exchangePath, { temporaryTokenSpace: token, data }, ada.token);
    expect(body).toEqual({ token, version: 1, size: 4 });
    const back = await download((await ask(token)).body.downloadUrl);
    expect(back.bytes.equals(bytes)).toBe(true);
  });

  test.each([
    ['nothing', ''],
    ['white space before', ' AAAA'],
    ['a line break after', 'AAAA\n'],
    ['a wrapped text', 'AAAA\nAAAA'],
    ['both alphabets', '+_AA'],
    ['too much padding', 'AAAA='],
    ['one digit', 'A'],
  ])('refuses %s', async (_, data) => {
    const { status, body } = await server.post(exchangePath, {
      json: { temporaryTokenSpace: 'dt_x', data },
      token: ada.token,
    });
    expect([status, body.code, Object.keys(body.errors)]).toEqual([422, 'validation_failed', ['data']]);
  });

  test('says that data are too large before it says what else is wrong', async () => {
    const data = Buffer.alloc(262_145).toString('base64url');
    for (const json of [{ data }, { data, temporaryTokenSpace: '' }, { data, temporaryTokenSpace: 'dt_x' }]) {
      const { status, body } = await server.post(exchangePath, { json, token: ada.token });
      expect([status, body.code]).toEqual([413, 'payload_too_large']);
    }
    const huge = await server.post(exchangePath, { form: { data: 'A'.repeat(1_048_576) }, token: ada.token });
    expect([huge.status, huge.body.code]).toEqual([413, 'payload_too_large']);
  });

  test('needs a token, and a profile with a key', async () => {
    expect((await server.post(exchangePath, { json: {} })).status).toBe(401);
    const keyless = await server.profile({ withKey: false });
    for (const [verb, path] of [
      ['POST', '/data-token/reserve-token-space'],
      ['GET', '/data-token/retrieve-temporary-data-token/x'],
      ['POST', exchangePath],
      ['POST', '/data-token/request-data'],
      ['POST', '/data-token/configure-information-security-risk-meta'],
      ['POST', '/data-token/configure-file-meta'],
      ['GET', '/data-token/list-data-tokens'],
      ['POST', '/data-token/delete-data'],
    ] as const) {
      const { status, body } = await server.call(verb, path, { token: keyless.token });
      expect([path, status, body.code]).toEqual([path, 403, 'profile.public_key_required']);
    }
  });
});

describe('26 Upstream file via stream auth', () => {
  test.each([
    ['POST', '/upstream/'],
    ['PUT', '/upstream'],
    ['POST', '/'],
    ['PUT', '/'],
  ])('is taken by %s %s, chunked and of any content type', async (verb, path) => {
    const { token, streamAuthenticationToken } = await reserve();
    const upload = httpRequest(`${server.url}${path}?auth=${streamAuthenticationToken}`, {
      method: verb,
      headers: { 'content-type': 'application/json', 'transfer-encoding': 'chunked', prefer: 'wait=30' },
    });
    for (const chunk of ['{', 'not', ' json']) upload.write(chunk);
    upload.end();
    const [answer] = await once(upload, 'response');
    const body = JSON.parse((await buffer(answer)).toString());
    expect([answer.statusCode, answer.headers['preference-applied'], answer.headers['x-dpt-cab-id']]).toEqual([
      200,
      'wait',
      body.commandId,
    ]);
    expect(body).toMatchObject({ type: 'upstream', status: 'succeeded', body: { token, version: 1, size: 9 } });
  });

  test('answers 202 with the command, which is the reserving profile’s', async () => {
    const { stream, token } = await reserve();
    const { status, body, headers } = await server.post(stream, { body: 'x' });
    expect([status, body]).toEqual([202, { commandId: headers.get('x-dpt-cab-id'), status: 'started' }]);
    expect(headers.get('location')).toBe(`/request-status/${body.commandId}`);
    const end = await server.get(`/request-status/${body.commandId}`, { token: ada.token, wait: 30 });
    expect(end.body.body).toEqual({ token, version: 1, size: 1 });
  });

  test('an auth that is not usable is answered alike, byte for byte', async () => {
    const spent = await reserve();
    await server.post(spent.stream, { body: 'x', wait: 30 });
    const auths = [spent.streamAuthenticationToken, 'A'.repeat(43), 'x', '', encodeURIComponent('http://x/?a=b')];
    const direct = await server.get('/profile/retrieve-profile-id');
    for (const [verb, path] of [
      ['POST', '/upstream/'],
      ['PUT', '/'],
      ['GET', '/downstream/'],
      ['GET', '/'],
    ] as const) {
      for (const auth of auths) {
        const body = verb === 'GET' ? null : 'x';
        const answer = await server.call(verb, `${path}?auth=${auth}`, { body });
        expect([verb, path, auth, answer.status, answer.text]).toEqual([verb, path, auth, 401, direct.text]);
      }
      const bare = await server.call(verb, path, { body: verb === 'GET' ? null : 'x' });
      expect(bare.status).toBe(path === '/' ? 404 : 401);
    }
  });

  test('serves no other verb', async () => {
    for (const [verb, path, allow] of [
      ['GET', '/upstream/?auth=x', 'POST, PUT'],
      ['DELETE', '/upstream?auth=x', 'POST, PUT'],
      ['POST', '/downstream/?auth=x', 'GET'],
      ['HEAD', '/downstream/?auth=x', 'GET'],
      ['DELETE', '/?auth=x', 'GET, POST, PUT'],
    ] as const) {
      const { status, headers } = await server.call(verb, path);
      expect([verb, path, status, headers.get('allow')]).toEqual([verb, path, 405, allow]);
    }
  });

  test('takes no download auth, and a download no upload auth', async () => {
    const { streamAuthenticationToken } = await reserve();
    expect((await fetch(`${server.url}/downstream/?auth=${streamAuthenticationToken}`)).status).toBe(401);
    const { downloadUrl } = (await ask(await stored(Buffer.from('abc')))).body;
    const auth = new URL(downloadUrl).searchParams.get('auth');
    expect((await server.post(`/upstream/?auth=${auth}`, { body: 'x' })).status).toBe(401);
    expect((await download(downloadUrl)).status).toBe(200);
  });

  test('its OpenAPI description has no Idempotency-Key, and its group is that of its neighbours', async () => {
    const { paths } = (await server.get('/openapi.json')).body;
    const names = (operation: any) => (operation.parameters ?? []).map(({ name }: { name: string }) => name);
    expect(names(paths['/upstream'].post)).not.toContain('Idempotency-Key');
    expect(names(paths[exchangePath].post)).toContain('Idempotency-Key');
    expect([paths['/upstream'].post.tags, paths['/downstream'].get.tags]).toEqual([['Data Token'], ['Data Token']]);
  });

  test('rejects what it received where the token cannot take it', async () => {
    const bob = await server.profile();
    const { stream } = await reserve({}, bob);
    const { body } = await server.post(stream, { body: 'x', wait: 30 });
    expect([body.status, body.reason]).toEqual(['rejected', 'storage.no_devices']);
    const { token } = await reserve();
    await server.done(exchangePath, { temporaryTokenSpace: token, data: 'AAAA' }, ada.token);
    expect(await rejected(exchangePath, { temporaryTokenSpace: token, data: 'AAAA' })).toBe(
      'data_token.already_exchanged',
    );
  });
});

describe('27 Request data via token', () => {
  test.each([
    [65_536, 0],
    [65_537, 1],
  ])('%i bytes have output type %i, and a URL besides', async (size, outputType) => {
    const bytes = randomBytes(size);
    const token = await stored(bytes, { context: 'a b' });
    const socket = await TestSocket.join(server.url, ada.token);
    const { status, headers, body } = await server.post('/data-token/request-data', {
      json: { token },
      token: ada.token,
    });
    const requestId = headers.get('x-dpt-cab-request-id')!;
    expect([status, body]).toEqual([202, { commandId: headers.get('x-dpt-cab-id'), status: 'started' }]);
    const end = await socket.end(body.commandId);
    const { downloadUrl, expiresAt } = end.body;
    expect(end).toEqual({
      type: 'X-DPT-CAB-ID',
      id: body.commandId,
      command_status: 2,
      body: { requestId, outputType, size, downloadUrl, expiresAt },
    });
    const messages = socket.frames
      .map(({ data }) => data)
      .filter((data) => [requestId, body.commandId].includes(data?.id));
    expect(messages.map(({ type }) => type)).toEqual([
      'X-DPT-CAB-REQUEST-ID',
      ...(outputType === 1 ? ['STREAM-READY'] : []),
      'X-DPT-CAB-ID',
    ]);
    expect(messages[0]).toEqual({
      type: 'X-DPT-CAB-REQUEST-ID',
      id: requestId,
      data_context: 'a b',
      output_type: outputType,
      body: outputType === 0 ? bytes.toString('base64') : downloadUrl,
    });
    await socket.close();
    const back = await download(downloadUrl);
    expect(
      Object.fromEntries(
        ['content-type', 'content-length', 'cache-control'].map((name) => [name, back.headers.get(name)]),
      ),
    ).toEqual({
      'content-type': 'application/octet-stream',
      'content-length': String(size),
      'cache-control': 'no-store',
    });
    expect(back.bytes.equals(bytes)).toBe(true);
    expect((await download(downloadUrl)).status).toBe(401);
  });

  test.each([1, 65_536, 100_000])(
    'seals %i bytes to the profile’s key where asked, inline and by URL',
    async (size) => {
      const bytes = randomBytes(size);
      const token = await stored(bytes);
      const socket = await TestSocket.join(server.url, ada.token);
      const { commandId, body } = await ask(token, { sealed: 'true' });
      await socket.end(commandId);
      expect(body.size).toBe(size);
      const open = (sealed: Buffer) => {
        expect(sealed).toHaveLength(sealedStreamLength(size));
        return buffer(Readable.from([sealed]).pipe(openStreamFrom([importX25519Private(pair.privateKey)])));
      };
      const ready = socket.frames.find(({ data }) => data?.id === body.requestId)!.data;
      if (ready.output_type === 0) expect((await open(Buffer.from(ready.body, 'base64'))).equals(bytes)).toBe(true);
      const back = await download(body.downloadUrl);
      expect(back.headers.get('content-length')).toBe(String(sealedStreamLength(size)));
      expect((await open(back.bytes)).equals(bytes)).toBe(true);
      await socket.close();
    },
  );

  test('is refused at once for a token of somebody else, and it is recorded', async () => {
    const token = await stored(Buffer.from('abc'));
    const mallory = await server.profile();
    for (const [path, fields] of [
      ['/data-token/request-data', {}],
      ['/data-token/configure-file-meta', { fileName: 'a', extension: '' }],
    ] as const) {
      const foreign = await server.post(path, { json: { token, ...fields }, token: mallory.token });
      const unknown = await server.post(path, { json: { token: 'dt_x', ...fields }, token: mallory.token });
      expect([foreign.status, foreign.body.code, foreign.text]).toEqual([404, 'data_token.not_found', unknown.text]);
    }
    expect(await denials(mallory.profileId)).toEqual([
      ['POST', '/data-token/request-data', 'data_token.not_found'],
      ['POST', '/data-token/configure-file-meta', 'data_token.not_found'],
    ]);
  });

  test('the data come by channel though they were downloaded before, and again to a late join', async () => {
    const token = await stored(Buffer.from('abc'));
    const early = await TestSocket.join(server.url, ada.token, { progress: true });
    const { body } = await ask(token);
    expect((await download(body.downloadUrl)).status).toBe(200);
    const isIt = (frame: any) => frame.data?.type === 'X-DPT-CAB-REQUEST-ID' && frame.data.id === body.requestId;
    expect((await early.until(isIt)).data).toMatchObject({ output_type: 0, body: 'YWJj' });
    const late = await TestSocket.join(server.url, ada.token);
    expect((await late.until(isIt)).data).toMatchObject({ output_type: 0, body: 'YWJj' });
    await Promise.all([early.close(), late.close()]);
  });

  test('rejects a token that holds nothing', async () => {
    expect(await rejected('/data-token/request-data', { token: (await reserve()).token })).toBe(
      'data_token.not_permanent',
    );
  });

  test.each(['yes', 2, 'TRUE'])('refuses %j as a boolean', async (sealed) => {
    const { status, body } = await server.post('/data-token/request-data', {
      json: { token: 'x', sealed },
      token: ada.token,
    });
    expect([status, Object.keys(body.errors)]).toEqual([422, ['sealed']]);
  });
});

describe('28 Download data', () => {
  test('a broken download leaves the auth usable, a range is not served', async () => {
    const bytes = randomBytes(8_000_000);
    const { downloadUrl } = (await ask(await stored(bytes))).body;
    const { port, pathname, search } = new URL(downloadUrl);
    const socket = connect(Number(port), '127.0.0.1');
    socket.write(`GET ${pathname}${search} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await once(socket, 'data');
    expect((await download(downloadUrl)).status).toBe(401);
    socket.destroy();
    let answer = await fetch(downloadUrl, { headers: { range: 'bytes=0-1' } });
    while (answer.status === 401) answer = await fetch(downloadUrl, { headers: { range: 'bytes=0-1' } });
    expect([answer.status, answer.headers.get('accept-ranges')]).toEqual([200, null]);
    expect(Buffer.from(await answer.arrayBuffer()).equals(bytes)).toBe(true);
    expect((await download(downloadUrl)).status).toBe(401);
  });

  test('the parameter may hold the whole URL, at either path', async () => {
    const token = await stored(Buffer.from('abc'));
    for (const path of ['/downstream', '/']) {
      const { downloadUrl } = (await ask(token)).body;
      const back = await download(`${server.url}${path}?auth=${encodeURIComponent(downloadUrl)}`);
      expect([back.status, back.bytes.toString()]).toEqual([200, 'abc']);
    }
  });
});

describe('29 and 30 Configuring meta', () => {
  const risk = { classification: 'a', label: 'b', handling: 'c' };
  const riskPath = '/data-token/configure-information-security-risk-meta';
  const filePath = '/data-token/configure-file-meta';

  test.each([
    [riskPath, { ...risk, label: '' }, 'label'],
    [riskPath, { ...risk, handling: 'x'.repeat(101) }, 'handling'],
    [filePath, { fileName: '', extension: '' }, 'fileName'],
    [filePath, { fileName: 'x'.repeat(256), extension: '' }, 'fileName'],
    [filePath, { fileName: 'a' }, 'extension'],
    [filePath, { fileName: 'a', extension: 'x'.repeat(33) }, 'extension'],
    [filePath, { fileName: 'a', extension: '', size: -1 }, 'size'],
    [filePath, { fileName: 'a', extension: '', path: 'x'.repeat(1025) }, 'path'],
    [filePath, { fileName: 'a', extension: '', context: 'x'.repeat(256) }, 'context'],
  ])('%s refuses %j', async (path, fields, field) => {
    const { status, body } = await server.post(path, { json: { token: 'dt_x', ...fields }, token: ada.token });
    expect([status, Object.keys(body.errors)]).toEqual([422, [field]]);
  });

  test('30 answers the token at once and tells the channel of a command that has succeeded', async () => {
    const token = await stored(Buffer.from('abc'), { context: 'before' });
    const socket = await TestSocket.join(server.url, ada.token);
    const json = { token, fileName: 'a', extension: '', size: '7', path: '' };
    const { status, headers, body } = await server.post(filePath, { json, token: ada.token });
    expect([status, body]).toEqual([200, { token }]);
    const id = headers.get('x-dpt-cab-id')!;
    expect((await server.get(`/request-status/${id}`, ada)).body).toMatchObject({
      type: 'data-token/configure-file-meta',
      status: 'succeeded',
      body: { token },
    });
    expect(await socket.end(id)).toEqual({ type: 'X-DPT-CAB-ID', id, command_status: 2, body: { token } });
    await socket.close();
    const query = new URLSearchParams({ 'filters[token]': token });
    const { items } = (await server.get(`/data-token/list-data-tokens?${query}`, ada)).body;
    expect(items).toMatchObject([
      { status: 'permanent', context: 'before', meta: { file: { fileName: 'a', extension: '', size: 7, path: '' } } },
    ]);
  });

  test('29 repeats its answer under an Idempotency-Key', async () => {
    const token = await stored(Buffer.from('abc'));
    const call = (label: string) =>
      server.post(riskPath, {
        form: { token, ...risk, label },
        token: ada.token,
        wait: 30,
        headers: { 'idempotency-key': `risk of ${token}` },
      });
    const first = await call('b');
    expect(first.body.body).toEqual({ token });
    expect((await call('b')).body).toEqual(first.body);
    expect((await call('other')).body.code).toBe('idempotency.key_reused');
  });
});

describe('31 List data tokens', () => {
  const list = (query: string, { token } = ada) => server.get(`/data-token/list-data-tokens?${query}`, { token });

  test.each([
    'page=0',
    'page=-1',
    'page=x',
    'perPage=0',
    'perPage=101',
    'perPage=1.5',
    'filters[meta.file.size]=1',
    'filters[Context]=a',
    'filters[meta][file][fileName]=a',
    'filters[context][]=a',
    'filters=x',
  ])('refuses %s', async (query) => {
    const { status, body } = await list(query);
    expect([query, status, body.code]).toEqual([query, 422, 'validation_failed']);
  });

  test('takes filters as JSON text, and of one given twice the last', async () => {
    const token = await stored(Buffer.from('abc'), { context: 'json "text" 100%' });
    const json = encodeURIComponent(JSON.stringify({ context: 'json "text" 100%', status: 'permanent' }));
    expect((await list(`filters=${json}`)).body.items).toMatchObject([{ token }]);
    expect((await list(`filters[token]=x&filters[token]=${token}`)).body.meta.count).toBe(1);
  });

  test('finds no token of somebody else', async () => {
    const { token } = await reserve({ context: 'mine alone' });
    for (const query of [`filters[token]=${token}`, 'filters[context]=mine alone', 'filters[context]=mine*']) {
      expect((await list(query, eve)).body).toEqual({ items: [], meta: { count: 0, page: 1, perPage: 25 } });
    }
    expect((await list(`filters[token]=${token}`)).body.meta.count).toBe(1);
  });
});

describe('33 Delete data', () => {
  test('takes the data away from every row at once', async () => {
    const token = await stored(Buffer.from('abc'));
    const { downloadUrl } = (await ask(token)).body;
    const { body, commandId } = await server.done('/data-token/delete-data', { token }, ada.token);
    expect(body).toEqual({ token });
    expect((await download(downloadUrl)).status).toBe(401);
    const again = await server.post('/data-token/request-data', { json: { token }, token: ada.token });
    expect([again.status, again.body.code]).toEqual([404, 'data_token.not_found']);
    expect(await rejected('/data-token/delete-data', { token })).toBe('data_token.not_found');
    expect(await rejected(exchangePath, { temporaryTokenSpace: token, data: 'AAAA' })).toBe('data_token.not_found');
    expect((await server.get(`/request-status/${commandId}`, ada)).body.body).toEqual({ token });
  });

  test('repeats its answer under an Idempotency-Key though the token is gone', async () => {
    const token = await stored(Buffer.from('abc'));
    const call = () =>
      server.post('/data-token/delete-data', {
        json: { token },
        token: ada.token,
        wait: 30,
        headers: { 'idempotency-key': `delete ${token}` },
      });
    const first = await call();
    expect((await call()).body).toEqual(first.body);
  });

  test('is refused while a write is pending', async () => {
    const { token } = await reserve();
    const taken = device.count('storage.write');
    const { store } = device;
    device.behaviour['storage.write'] = () => undefined;
    const json = { temporaryTokenSpace: token, data: 'AAAA' };
    const { body } = await server.post(exchangePath, { json, token: ada.token });
    const write = await device.got('storage.write', taken + 1);
    expect(await rejected('/data-token/delete-data', { token })).toBe('data_token.busy');
    expect(await rejected(exchangePath, json)).toBe('data_token.busy');
    device.behaviour['storage.write'] = (each) => store.call(device, each);
    await device.store(write);
    expect((await server.get(`/request-status/${body.commandId}`, { ...ada, wait: 30 })).body.status).toBe('succeeded');
    await server.done('/data-token/delete-data', { token }, ada.token);
  });
});
