import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { FileKeyRing, KeyStore, PersonalBoxes, randomBytes } from '@symbolon/crypto';
import { type FreshDatabase, freePort, freshDatabase, until } from '@symbolon/testing';
import { type Answer, buildPrograms, ServerProcess } from '../server-process';
import { type Application, application, fetched, secretsOf, StorageDevice } from './parties';
import { Haystack } from './traces';

jest.setTimeout(120_000);

const sentence = (what: string) => `planted ${what} ${randomBytes(12).toString('hex')}`;
/** What a person says of himself: sealed in the database, in no log line and no figure. */
const personal = {
  context: sentence('context'),
  fileName: sentence('file name'),
  deviceName: sentence('device name'),
  label: sentence('label'),
  location: sentence('location'),
  userAgent: sentence('user agent'),
};
const passwords = {
  first: sentence('password'),
  second: sentence('second password'),
  wrong: sentence('wrong password'),
  long: `planted ${'long password '.repeat(40)}`,
};
const payloads = {
  sealed: Buffer.from(sentence('sealed payload').repeat(20)),
  inline: Buffer.from(sentence('inline payload').repeat(20)),
  upload: Buffer.from(sentence('uploaded payload').repeat(3000)),
  refused: Buffer.from(sentence('refused payload').repeat(20)),
};

const secrets = new Map<string, string | Uint8Array>();
const errors: string[] = [];
let database: FreshDatabase;
let server: ServerProcess;
let metricsPort: number;
let ada: Application;
let attic: StorageDevice;
let metrics: string;

/** A call whose answer is kept if it is a refusal. */
async function ask(
  method: string,
  path: string,
  fields?: object,
  token?: string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const said = { 'user-agent': personal.userAgent, 'x-symbolon-location': personal.location, ...headers };
  const answer = await server.call(method, path, fields, token, said);
  if (answer.status >= 400 || answer.body?.status === 'rejected')
    errors.push(JSON.stringify([...answer.headers]), JSON.stringify(answer.body));
  return answer;
}
const done = (path: string, fields: object, token: string) => ask('POST', path, fields, token, { prefer: 'wait=30' });
const authOf = (url: string) => new URL(url).searchParams.get('auth')!;

async function reserve(token: string): Promise<{ token: string; stream: string; auth: string }> {
  const meta = { file: { fileName: personal.fileName } };
  const { body } = await done('/data-token/reserve-token-space', { context: personal.context, ttl: 30, meta }, token);
  const path = `/data-token/retrieve-temporary-data-token/${body.commandId}`;
  const space = (await ask('GET', path, undefined, token)).body;
  return { token: space.token, stream: space.stream, auth: authOf(space.stream) };
}

/** Everything that the API does with secrets, done right and done wrong. */
async function fullRun(): Promise<void> {
  const plant = (name: string, secret: string | Uint8Array) => secrets.set(name, secret);
  for (const [name, secret] of Object.entries(passwords)) plant(`password: ${name}`, secret);
  for (const [name, bytes] of Object.entries(payloads)) plant(`payload: ${name}`, bytes);

  ada = await application(server.url, passwords.first);
  secretsOf(ada.keys).forEach((key, index) => plant(`key ${index} of the application`, key));
  attic = await StorageDevice.of(ada, server.url);
  for (const name of ['exchange.key', 'signing.key', 'master.key', 'naming.key'] as const)
    plant(`device ${name}`, attic.key(name).subarray(-32));
  plant('device login', attic.login.password);
  plant('device secret', attic.configuration['client-secret']!);
  const { username } = ada;
  const login = async (secret: string) =>
    (await ask('POST', '/profile/authenticate', { username, password: secret })).body.authorizationToken as string;

  const token = await login(passwords.first);
  plant('authorization of the SDK', ada.session.token!);
  plant('authorization', token);
  const { body: pair } = await ask('GET', '/public-key/generate-keys', undefined, token);
  plant('private key', pair.privateKey);
  plant('bytes of the private key', Buffer.from(pair.privateKey, 'hex'));

  // Stored by the SDK, inline and by upload; fetched over both ways.
  const stored = await ada.session.store(payloads.sealed, {
    context: personal.context,
    meta: { file: { fileName: personal.fileName } },
  });
  plant('token of the SDK', stored.token);
  plant('envelope', (await fetched(ada, stored.token, true)).subarray(-200));
  expect(await fetched(ada, stored.token)).toEqual(payloads.sealed);
  const space = await reserve(token);
  plant('token', space.token);
  plant('stream auth', space.auth);
  const inline = { temporaryTokenSpace: space.token, data: payloads.inline.toString('base64') };
  expect((await done('/data-token/exchange-data-for-token', inline, token)).body.status).toBe('succeeded');
  const large = await reserve(token);
  plant('token of the upload', large.token);
  plant('auth of the upload', large.auth);
  await fetch(large.stream, { method: 'POST', body: new Uint8Array(payloads.upload), headers: { prefer: 'wait=30' } });
  for (const [name, of, bytes] of [
    ['inline', space, payloads.inline],
    ['upload', large, payloads.upload],
  ] as const) {
    const { body } = await done('/data-token/request-data', { token: of.token }, token);
    plant(`download auth: ${name}`, authOf(body.body.downloadUrl));
    expect(Buffer.from(await (await fetch(body.body.downloadUrl)).arrayBuffer()).equals(bytes)).toBe(true);
    expect((await ask('GET', body.body.downloadUrl)).status).toBe(401);
  }
  const risk = { token: space.token, classification: 'internal', label: personal.label, handling: 'x' };
  await ask('POST', '/data-token/configure-security-meta', risk, token);
  await ask('POST', '/data-token/configure-file-meta', { token: space.token, fileName: personal.fileName }, token);
  await ask('GET', `/data-token/list-data-tokens?filters[token]=${space.token}`, undefined, token);
  const waiting = await done('/device/request-unique-identifier', { deviceName: personal.deviceName }, token);
  const shown = await ask('POST', '/device/retrieve-unique-identifier', { id: waiting.body.commandId }, token);
  plant('login of a waiting device', shown.body.password);
  const again = await ask(
    'GET',
    `/device/retrieve-device-configuration/${attic.deviceIdentifier}?rotate=true`,
    undefined,
    token,
  );
  plant('rotated secret', again.body['client-secret']);
  attic.write('device.json', again.body);
  await attic.stop();
  await attic.start();

  // Done wrong, with the secret in the wrong place or the wrong shape.
  const unused = (name: string) => {
    const secret = randomBytes(32).toString('base64url');
    plant(name, secret);
    return secret;
  };
  await login(passwords.wrong);
  await ask('POST', '/profile/register-profile', { username: 'someone', password: passwords.long });
  await ask('POST', '/profile/register-profile', {
    username: `name-${unused('a secret as a name')}`,
    password: 'short',
  });
  await ask('POST', '/profile/authenticate', { username: unused('a secret as a username'), password: passwords.wrong });
  await ask(
    'POST',
    '/profile/change-password',
    { currentPassword: passwords.wrong, newPassword: passwords.second },
    token,
    { prefer: 'wait=30' },
  );
  await ask('POST', '/public-key/register-public-key', { publicKey: pair.privateKey }, token);
  await ask(
    'POST',
    '/public-key/register-public-key',
    { publicKey: pair.publicKey, signingKey: `x${pair.privateKey}` },
    token,
  );
  await ask('GET', '/profile/retrieve-profile-id', undefined, `T-${unused('an unknown authorization')}`);
  await done('/data-token/request-data', { token: `dt_${unused('an unknown token')}` }, token);
  await ask('GET', `/upstream/?auth=${unused('an unknown upload')}`);
  await ask('GET', `/downstream/?auth=${unused('an unknown download')}`);
  await ask('POST', `/?auth=${unused('an unknown upload at the root')}`, { data: 'x' });
  await ask('GET', `/${unused('a secret as a path')}`, undefined, token);
  await ask('GET', `/device/retrieve-device-configuration/${unused('a secret as a device')}`, undefined, token);
  await ask(
    'POST',
    '/data-token/exchange-data-for-token',
    { temporaryTokenSpace: space.token, data: payloads.refused.toString('base64') },
    token,
    { prefer: 'wait=30' },
  );
  await ask(
    'POST',
    '/data-token/exchange-data-for-token',
    { temporaryTokenSpace: payloads.refused.toString(), data: payloads.refused.toString() },
    token,
  );
  await ask('POST', '/data-token/reserve-token-space', { context: 'x', ttl: unused('a secret as a number') }, token);
  await ask('POST', '/data-token/reserve-token-space', { context: 'x' }, token, {
    'idempotency-key': unused('an idempotency key'),
  });
  const device = await ask('POST', '/profile/authenticate', {
    username: attic.login.username,
    password: attic.login.password,
  });
  plant('authorization of the device', device.body.authorizationToken);
  const refused = `/data-token/retrieve-temporary-data-token/dt_${unused('a secret in a path that is refused')}`;
  expect((await ask('GET', refused, undefined, device.body.authorizationToken)).status).toBe(403);
  const malformed = await fetch(`${server.url}/profile/authenticate`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: `{"username":"x","password":"${passwords.second}"`,
  });
  errors.push(await malformed.text());
  await fetch(large.stream, { method: 'POST', body: new Uint8Array(payloads.refused) }).then(async (answer) =>
    errors.push(await answer.text()),
  );

  // While the database breaks its connections, commands are under way.
  const busy = Array.from({ length: 12 }, () =>
    ask('POST', '/profile/authenticate', { username, password: passwords.first }).catch(() => null),
  );
  for (let round = 0; round < 3; round++)
    await database.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'symbolon' and datname = current_database()`,
    );
  await Promise.all(busy);
  await until(async () => (await server.call('GET', '/health')).status === 200, 'the server to be healthy');

  const newPassword = passwords.second;
  await done('/profile/change-password', { currentPassword: passwords.first, newPassword }, ada.session.token!);
  const last = await login(passwords.second);
  plant('last authorization', last);
  await done('/data-token/delete-data', { token: large.token }, last);
  await ask('POST', '/profile/revoke-authorization-token', {}, last);
  metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
}

beforeAll(async () => {
  buildPrograms();
  database = await freshDatabase();
  metricsPort = await freePort();
  server = await ServerProcess.create({
    DATABASE_URL: database.url,
    SYMBOLON_LOG_LEVEL: 'trace',
    SYMBOLON_METRICS_LISTEN: `127.0.0.1:${metricsPort}`,
  });
  await server.start();
  await fullRun();
});

afterAll(async () => {
  ada.session.close();
  await attic.discard();
  await server.stop();
  await database.drop();
});

describe('K4: after a full run, secrets that were planted', () => {
  const found = (haystack: Haystack, planted: Iterable<readonly [string, string | Uint8Array]> = secrets) =>
    [...planted].flatMap(([name, value]) => haystack.find(value).map((place) => `${name} in ${place}`));

  test('are all there to be looked for', () => {
    expect(secrets.size).toBeGreaterThan(40);
    for (const [name, value] of secrets) expect([name, value.length]).toEqual([name, expect.any(Number)]);
    const texts = [...secrets.values()].map((value) => Buffer.from(value as string).toString('hex'));
    expect(new Set(texts).size).toBe(texts.length);
  });

  test('lie in no table of the database, nor does what people say of themselves', async () => {
    const dump = await new Haystack().addDatabase(database.pool);
    expect(found(dump)).toEqual([]);
    expect(found(dump, Object.entries({ ...personal, username: ada.username }))).toEqual([]);
    expect(dump.find(ada.profileId)).toEqual(expect.arrayContaining(['es.event', 'keys.profile_key']));
    expect(dump.find(ada.keys.publicKey)).toContain('es.event');
    expect(dump.size).toBeGreaterThan(100_000);
  });

  test('lie in no event and no command input behind the seal either', async () => {
    const ring = await FileKeyRing.open({
      path: join(server.dataDir, 'key-ring.sym'),
      masterPath: join(server.dataDir, 'key-ring.master'),
    });
    const boxes = new PersonalBoxes(new KeyStore(database.pool, ring));
    const { rows } = await database.pool.query(`select stream, type, id, data from es.event where data ? 'sealed'`);
    const opened = new Haystack();
    for (const event of rows)
      for (const subject of Object.keys(event.data.sealed))
        opened.add(event.type, JSON.stringify(await boxes.open(event, subject)));
    expect(found(opened)).toEqual([]);
    expect(opened.find(ada.username)).toContain('profile.registered');
    expect(opened.find(personal.context)).toEqual(
      expect.arrayContaining(['data_token.space_reserved', 'command.accepted']),
    );
  });

  test('are in no line of the log at its most talkative', () => {
    const log = new Haystack().add('log', server.output).add('log of the device', JSON.stringify(attic.log));
    expect(found(log)).toEqual([]);
    expect(found(log, Object.entries({ ...personal, username: ada.username }))).toEqual([]);
    expect(log.find('database connection lost')).toEqual(['log']);
    expect(log.find(attic.objectIds[0]!)).toEqual(['log of the device']);
  });

  test('are in no figure', () => {
    const figures = new Haystack().add('metrics', metrics);
    expect(found(figures)).toEqual([]);
    expect(
      found(
        figures,
        Object.entries({
          ...personal,
          username: ada.username,
          profileId: ada.profileId,
          device: attic.deviceIdentifier,
        }),
      ),
    ).toEqual([]);
    expect(figures.find('storage.write_ack')).toEqual(['metrics']);
  });

  test('are in no refusal, also where the caller sent them', () => {
    const refusals = new Haystack().add('refusals', errors.join('\n'));
    expect(errors.length).toBeGreaterThan(30);
    expect(found(refusals)).toEqual([]);
    for (const code of [
      'validation_failed',
      'unauthorized',
      'data_token.not_found',
      'request_malformed',
      'public_key.invalid',
    ])
      expect([code, refusals.find(code)]).toEqual([code, ['refusals']]);
  });

  test('are in no file that the server keeps, and the payloads in none of the device', () => {
    const files = new Haystack().addFiles(server.dataDir);
    expect(found(files)).toEqual([]);
    const master = readFileSync(join(server.dataDir, 'key-ring.master'), 'utf8').trim();
    expect(files.find(master)).toEqual([join(server.dataDir, 'key-ring.master')]);
    const device = new Haystack()
      .addFiles(join(attic.dir, 'blobs'))
      .addFiles(join(attic.dir, 'drafts'))
      .addFiles(join(attic.dir, 'held'));
    expect(device.size).toBeGreaterThan(1000);
    expect(found(device)).toEqual([]);
  });
});

// Where the system shows the memory of a child to its parent.
if (process.platform === 'linux') {
  test('W13: the memory of the server in a running fetch holds layer 1, and neither plaintext nor a key of the application', async () => {
    const secret = randomBytes(48);
    const { token } = await ada.session.store(Buffer.concat([secret, Buffer.alloc(200_000, 7), secret]));
    const { body } = await ada.session.command<{ downloadUrl: string }>('/data-token/request-data', { token });
    const response = await fetch(body.downloadUrl);
    const reader = response.body!.getReader();
    const { value: begun } = await reader.read();
    const layer1 = Buffer.from(begun ?? []);
    const needles = {
      layer1: layer1.subarray(200, 232),
      token: Buffer.from(token),
      plaintext: secret,
      ...Object.fromEntries(secretsOf(ada.keys).entries()),
    };
    expect(memoryHolds(server.pid, needles)).toEqual(['layer1', 'token']);
    await reader.cancel();
  });
}

/** Which of the needles lie in the writable memory of a process. */
function memoryHolds(pid: number, needles: Record<string, Buffer>): string[] {
  const found = new Set<string>();
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  const piece = Buffer.alloc(4 * 1024 * 1024);
  const overlap = 64;
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
      const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
      if (!from || !to) continue;
      const end = BigInt(`0x${to}`);
      for (let at = BigInt(`0x${from}`); at < end; at += BigInt(piece.length - overlap)) {
        const length = Number(end - at < BigInt(piece.length) ? end - at : BigInt(piece.length));
        const read = readable(() => readSync(memory, piece, 0, length, at));
        const seen = piece.subarray(0, read);
        for (const [name, needle] of Object.entries(needles)) if (seen.includes(needle)) found.add(name);
      }
    }
  } finally {
    closeSync(memory);
  }
  return [...found].sort();
}

/** Bytes read; none where the region went or cannot be read. */
function readable(read: () => number): number {
  try {
    return read();
  } catch {
    return 0;
  }
}
