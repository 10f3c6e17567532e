import { execFileSync } from 'node:child_process';
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodePublicKey, fingerprintOf, ProfileKeys } from '@symbolon/sdk';
import {
  cli,
  type Input,
  type Ran,
  refused,
  rejected,
  type Reply,
  type Script,
  ScriptedServer,
  succeeded,
} from '../test/scripted-server';
import { Credentials } from './credentials';
import { operatorArguments, serverArguments } from './programs';
import { readableSize } from './terminal';

const profileId = '01937b49-0c11-7f3e-8d02-5a6b7c8d9e0f';
const deviceIdentifier = '01937b49-0c11-7f3e-8d02-5a6b7c8d9e10';
const commandId = '0193b4c6-1f2e-7a41-b7d5-2c9e4a6f8b10';
const serverKey = encodePublicKey(new Uint8Array(32).fill(9));
const answer = (body: unknown) => (): Reply => [200, body];

/** The rows that nearly every command passes. */
const usual: Script = {
  'GET /dptcab/public-key': answer({ publicKey: serverKey, keyId: 'k', createdAt: 'then' }),
  'POST /profile/authenticate': ({ password }) =>
    password === 'right password'
      ? [200, { authorizationToken: 'T-fresh', expiresAt: 'later' }]
      : refused(401, 'unauthorized'),
  'GET /profile/retrieve-profile-id': answer({ profileId }),
  'POST /profile/authorization-token/expiry': answer({ expiresAt: 'later' }),
  'POST /public-key/register-public-key': () => succeeded({ profileId, fingerprint: 'registered' }),
};

let dir: string;
let server: ScriptedServer;
let env: Record<string, string>;
let credentials: Credentials;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'symbolon-cli-'));
  server = await ScriptedServer.start({ ...usual });
  env = { SYMBOLON_HOME: join(dir, 'home'), SYMBOLON_URL: server.url };
  credentials = Credentials.at(env);
});
afterEach(async () => {
  await server.stop();
  await rm(dir, { recursive: true, force: true });
});

const signedIn = async (keys?: ProfileKeys): Promise<void> => {
  const pin = await fingerprintOf(serverKey);
  await credentials.signIn(server.url, { username: 'ada', profileId, token: 'T-kept', expiresAt: 'later', pin });
  if (keys) await credentials.keepKeys(profileId, keys);
};
const symbolon = (argv: string, input?: Input): Promise<Ran> => cli(argv.split(' '), env, input);
const document = ({ stdout }: Ran): Record<string, unknown> => JSON.parse(stdout) as Record<string, unknown>;

/** A vault of one shelf: what was put is what is got. */
const vault = (payloads: Map<string, Buffer>): Script => ({
  'POST /data-token/reserve-token-space': () => succeeded({ expiresAt: 'soon' }),
  [`GET /data-token/retrieve-temporary-data-token/${commandId}`]: () => {
    const token = `dt_${payloads.size}`;
    return [200, { token, stream: `${server.url}/upstream/?auth=${token}`, expiresAt: 'soon' }];
  },
  'POST /data-token/exchange-data-for-token': ({ temporaryTokenSpace, data }) => {
    const payload = Buffer.from(data as string, 'base64');
    payloads.set(temporaryTokenSpace as string, payload);
    return succeeded({ token: temporaryTokenSpace, version: 1, size: payload.length });
  },
  'POST /upstream/': ({ auth }, body) => {
    payloads.set(auth as string, body);
    return succeeded({ token: auth, version: 1, size: body.length });
  },
  'POST /data-token/update-data': ({ dataToken }) => succeeded({ token: dataToken, version: 1 }),
  'POST /data-token/request-data': ({ token }) => {
    const payload = payloads.get(token as string);
    if (!payload) return refused(404, 'data_token.not_found');
    return succeeded({ size: payload.length, downloadUrl: `${server.url}/downstream/?auth=${token as string}` });
  },
  'GET /downstream/': ({ auth }) => [200, payloads.get(auth as string)!],
});

describe('exit codes', () => {
  it.each<[number, string, Reply]>([
    [2, 'input that the server finds invalid', refused(422, 'validation_failed', { token: ['is malformed'] })],
    [3, 'no credentials', refused(401, 'unauthorized')],
    [3, 'not allowed', refused(403, 'profile.public_key_required')],
    [4, 'nothing there', refused(404, 'data_token.not_found')],
    [4, 'nothing there, found out later', rejected('data_token.not_found')],
    [5, 'refused', rejected('data_token.busy')],
    [6, 'a limit', refused(429, 'profile.login_locked')],
    [6, 'nobody answered', rejected('storage.no_device_answered')],
    [1, 'a fault', refused(500, 'internal_error')],
  ])('%i: %s', async (exit, _what, reply) => {
    await signedIn();
    server.script['POST /data-token/delete-data'] = () => reply;
    const plain = await symbolon('rm dt_x');
    expect([plain.exit, plain.stdout]).toEqual([exit, '']);
    expect(plain.stderr).toMatch(/[\w`]\.\n/);
    expect(plain.stderr).not.toContain('..');
    const json = await symbolon('rm dt_x --json');
    expect([json.exit, json.stderr]).toEqual([exit, '']);
    const { code, reason, errors } = reply[1] as Record<string, unknown>;
    expect(document(json)['error']).toMatchObject({ key: code ?? reason, exit, ...(errors ? { errors } : {}) });
  });

  it('0 when it is done', async () => {
    await signedIn();
    server.script['POST /data-token/delete-data'] = ({ token }) => succeeded({ token });
    const ran = await symbolon('rm dt_x dt_y --json');
    expect([ran.exit, document(ran)]).toEqual([0, { deleted: ['dt_x', 'dt_y'] }]);
    expect(server.calls('POST /data-token/delete-data')).toEqual([{ token: 'dt_x' }, { token: 'dt_y' }]);
  });

  it('6 without a server', async () => {
    await signedIn();
    await server.stop();
    const ran = await symbolon('ls --json');
    expect([ran.exit, (document(ran)['error'] as { key: string }).key]).toEqual([6, 'unreachable']);
    server = await ScriptedServer.start({});
  });

  it('3 when nobody is signed in', async () => {
    expect((await symbolon('ls')).exit).toBe(3);
    expect(server.asked).toEqual([]);
  });

  it.each([
    'frobnicate',
    'put',
    'get dt_x',
    'ls --page 0',
    'ls --status lost',
    'ls --url ftp://x',
    'rm',
    'device run --dir a --config b',
  ])('2 for `symbolon %s`', async (argv) => {
    await signedIn();
    const ran = await symbolon(argv);
    expect([ran.exit, ran.stdout]).toEqual([2, '']);
    expect(ran.stderr).not.toBe('');
    const json = await symbolon(`${argv} --json`);
    expect([json.exit, (document(json)['error'] as { exit: number }).exit]).toEqual([2, 2]);
  });

  it('are in the help', async () => {
    const ran = await symbolon('--help');
    expect(ran.exit).toBe(0);
    for (const code of [0, 1, 2, 3, 4, 5, 6, 7, 130]) expect(ran.stdout).toMatch(new RegExp(`^ +${code}  \\w`, 'm'));
  });
});

describe('profile', () => {
  it('register: asks twice, without echo, signs in and pins the key of the server', async () => {
    server.script['POST /profile/register-profile'] = () => succeeded({ profileId });
    const ran = await symbolon('profile register ada@example.org', { typed: ['right password', 'right password'] });
    expect([ran.exit, ran.stdout]).toEqual([0, `${profileId}\n`]);
    expect(ran.stdout + ran.stderr).not.toContain('right password');
    expect(await credentials.signedIn(server.url)).toEqual({
      username: 'ada@example.org',
      profileId,
      token: 'T-fresh',
      expiresAt: 'later',
      pin: await fingerprintOf(serverKey),
    });
  });

  it('register: two different passwords are not sent', async () => {
    const ran = await symbolon('profile register ada', { typed: ['right password', 'wrong password'] });
    expect([ran.exit, server.asked]).toEqual([2, []]);
  });

  it('login: takes the password from the environment or stdin, never as an argument', async () => {
    env['SYMBOLON_PASSWORD'] = 'right password';
    expect((await symbolon('profile login ada')).exit).toBe(0);
    delete env['SYMBOLON_PASSWORD'];
    expect((await symbolon('profile login ada --password-stdin', { input: 'right password\nmore' })).exit).toBe(0);
    const wrong = await symbolon('profile login ada --password-stdin', { input: 'wrong' });
    expect([wrong.exit, wrong.stderr.includes('Username or password is wrong.')]).toEqual([3, true]);
    expect((await symbolon('profile login ada')).exit).toBe(2);
    expect((await symbolon('profile login ada secret')).exit).toBe(2);
    expect((await symbolon('profile login ada --password secret')).exit).toBe(2);
  });

  it('login: corrects typing, and stops at Ctrl-C', async () => {
    expect((await symbolon('profile login ada', { typed: ['right passwortx\u007f\u007fd'] })).exit).toBe(0);
    expect((await symbolon('profile login ada', { typed: ['right\u0003'] })).exit).toBe(130);
  });

  it('refuses a server whose key has changed, until that is accepted', async () => {
    await signedIn();
    const other = (await ProfileKeys.generate()).publicKey;
    server.script['GET /dptcab/public-key'] = answer({ publicKey: other, keyId: 'k', createdAt: 'now' });
    expect((await symbolon('ls')).exit).toBe(7);
    env['SYMBOLON_PASSWORD'] = 'right password';
    expect((await symbolon('profile login ada')).exit).toBe(7);
    expect(server.asked.map(({ call }) => call)).toEqual(Array(2).fill('GET /dptcab/public-key'));
    const accepted = await symbolon('profile login ada --accept-server-key');
    expect([accepted.exit, accepted.stderr.includes(await fingerprintOf(other))]).toEqual([0, true]);
    expect((await symbolon('profile whoami')).exit).not.toBe(7);
  });

  it('whoami: says whether the registered key is here', async () => {
    const keys = await ProfileKeys.generate();
    await signedIn();
    const key = async () => document(await symbolon('profile whoami --json'))['key'];
    server.script['GET /public-key/retrieve-public-key'] = () => refused(404, 'public_key.not_registered');
    expect(await key()).toBe('none');
    server.script['GET /public-key/retrieve-public-key'] = answer({ fingerprint: keys.fingerprint });
    expect(await key()).toBe('elsewhere');
    await credentials.keepKeys(profileId, keys);
    expect(await key()).toBe('here');
  });

  it('logout: ends and forgets the token, and keeps the keys', async () => {
    await signedIn(await ProfileKeys.generate());
    server.script['POST /profile/revoke-authorization-token'] = answer({ revoked: true });
    expect((await symbolon('profile logout')).exit).toBe(0);
    expect(await credentials.signedIn(server.url)).toBeNull();
    expect(await credentials.keys(profileId)).not.toBeNull();
  });
});

describe('key', () => {
  it('register: makes the keys here, keeps them first, and sends the public halves alone', async () => {
    await signedIn();
    server.script['GET /public-key/retrieve-public-key'] = () => refused(404, 'public_key.not_registered');
    server.script['POST /public-key/register-public-key'] = () => refused(500, 'internal_error');
    expect((await symbolon('key register')).exit).toBe(1);
    const kept = (await credentials.keys(profileId))!;
    server.script['POST /public-key/register-public-key'] = () => succeeded({ fingerprint: kept.fingerprint });
    const ran = await symbolon('key register --json');
    expect(document(ran)['fingerprint']).toBe(kept.fingerprint);
    const sent = server.calls('POST /public-key/register-public-key').at(-1)!;
    expect(sent).toEqual({ publicKey: kept.publicKey, signingKey: kept.signingKey });
    const secret = Buffer.from(kept.toBytes().slice(2, 34));
    expect(JSON.stringify(server.asked) + ran.stdout + ran.stderr).not.toContain(secret.toString('hex'));
    expect(server.asked.filter(({ call }) => call.includes('generate-keys'))).toEqual([]);
  });

  it('register: does not replace keys that lie elsewhere, unless told to', async () => {
    await signedIn();
    server.script['GET /public-key/retrieve-public-key'] = answer({ fingerprint: 'elsewhere' });
    expect((await symbolon('key register')).exit).toBe(5);
    expect(await credentials.keys(profileId)).toBeNull();
    expect((await symbolon('key register --replace')).exit).toBe(0);
  });

  it('register --renew: new keys in front of the old ones', async () => {
    const keys = await ProfileKeys.generate();
    await signedIn(keys);
    expect((await symbolon('key register --renew')).exit).toBe(0);
    const renewed = (await credentials.keys(profileId))!;
    expect(renewed.fingerprint).not.toBe(keys.fingerprint);
    expect(Buffer.from(renewed.toBytes()).includes(Buffer.from(keys.toBytes().slice(2)))).toBe(true);
  });

  it('export and import: by a file that opens with the passphrase alone', async () => {
    const keys = await ProfileKeys.generate();
    await signedIn(keys);
    const file = join(dir, 'keys.sym1');
    env['SYMBOLON_PASSPHRASE'] = 'tall green walnut tree';
    expect((await symbolon(`key export ${file}`)).exit).toBe(0);
    expect((await stat(file)).mode & 0o777).toBe(0o600);

    env['SYMBOLON_HOME'] = join(dir, 'another home');
    credentials = Credentials.at(env);
    await signedIn();
    env['SYMBOLON_PASSPHRASE'] = 'another';
    expect((await symbolon(`key import ${file}`)).exit).toBe(7);
    env['SYMBOLON_PASSPHRASE'] = 'tall green walnut tree';
    expect((await symbolon(`key import ${file}`)).exit).toBe(0);
    expect((await credentials.keys(profileId))?.fingerprint).toBe(keys.fingerprint);

    await credentials.keepKeys(profileId, await ProfileKeys.generate());
    expect((await symbolon(`key import ${file}`)).exit).toBe(5);
  });
});

describe('put and get', () => {
  let payloads: Map<string, Buffer>;
  beforeEach(async () => {
    payloads = new Map();
    Object.assign(server.script, vault(payloads));
    await signedIn(await ProfileKeys.generate());
  });

  it.each([0, 1, 65_536, 131_073, 9_000_000])('%i bytes come back as they were', async (length) => {
    const plain = Buffer.alloc(length, 'some plaintext ');
    await writeFile(join(dir, 'in'), plain);
    const stored = await symbolon(`put ${join(dir, 'in')} --json`);
    const described = { token: 'dt_0', version: 1, size: length, described: true };
    expect([stored.exit, document(stored)]).toEqual([0, described]);
    expect(payloads.get('dt_0')!.includes('some plaintext')).toBe(false);
    // The file's name goes sealed as well.
    const [description] = server.calls('POST /data-token/update-data');
    expect(JSON.stringify(description)).toMatch(/"sealed":"/);
    expect(JSON.stringify(description)).not.toContain('"in"');
    const fetched = await symbolon(`get dt_0 -o ${join(dir, 'out')} --json`);
    expect([fetched.exit, document(fetched)]).toEqual([
      0,
      { token: 'dt_0', version: 1, size: length, file: join(dir, 'out') },
    ]);
    expect((await readFile(join(dir, 'out'))).equals(plain)).toBe(true);
    expect((await stat(join(dir, 'out'))).mode & 0o777).toBe(0o600);
  });

  it('stdin and stdout take the place of files', async () => {
    const plain = Buffer.alloc(300_000, 'piped ');
    const stored = await symbolon('put -', { input: plain });
    expect(stored.stdout).toBe('dt_0\n');
    const fetched = await symbolon('get dt_0 -o -');
    expect([fetched.exit, fetched.bytes.equals(plain)]).toEqual([0, true]);
    expect((await symbolon('get dt_0 -o - --json')).exit).toBe(2);
    expect((await symbolon('put - --pad')).exit).toBe(2);
  });

  it('--pad hides the length, --raw seals nothing, --plain-meta alone names the file', async () => {
    await writeFile(join(dir, 'in.txt'), 'x'.repeat(1013));
    await symbolon(`put ${join(dir, 'in.txt')} --pad`);
    await writeFile(join(dir, 'in.txt'), 'x'.repeat(1000));
    await symbolon(`put ${join(dir, 'in.txt')} --pad`);
    expect(payloads.get('dt_0')!.length).toBe(payloads.get('dt_1')!.length);
    expect((await symbolon(`get dt_1 -o ${join(dir, 'out')}`)).exit).toBe(0);
    expect((await readFile(join(dir, 'out'))).length).toBe(1000);
    await symbolon(`put ${join(dir, 'in.txt')} --raw --context a/b --ttl 7 --plain-meta`);
    expect(payloads.get('dt_2')!.toString()).toBe('x'.repeat(1000));
    expect(server.calls('POST /data-token/reserve-token-space')).toEqual([
      { context: 'sealed' },
      { context: 'sealed' },
      { context: 'a/b', ttl: 7, meta: { file: { fileName: 'in.txt', extension: 'txt', size: 1000 } } },
    ]);
  });

  it('what cannot be trusted leaves the old file as it was, and no other', async () => {
    await writeFile(join(dir, 'in'), Buffer.alloc(400_000, 1));
    await symbolon(`put ${join(dir, 'in')}`);
    await mkdir(join(dir, 'target'));
    await writeFile(join(dir, 'target/out'), 'old');
    const payload = payloads.get('dt_0')!;
    const damaged: Record<string, Buffer> = {
      'a damaged end': Buffer.concat([payload.subarray(0, -1), Buffer.from([payload.at(-1)! ^ 1])]),
      'a missing end': payload.subarray(0, -1),
      'unsealed bytes': Buffer.alloc(1000, 'plain'),
    };
    for (const served of Object.values(damaged)) {
      payloads.set('dt_0', served);
      expect((await symbolon(`get dt_0 -o ${join(dir, 'target/out')}`)).exit).toBe(7);
      expect(await readdir(join(dir, 'target'))).toEqual(['out']);
      expect(await readFile(join(dir, 'target/out'), 'utf8')).toBe('old');
    }
    payloads.set('dt_0', payload);
    expect((await symbolon(`get dt_0 -o ${join(dir, 'target/out')} --at-least 2`)).exit).toBe(7);
    expect((await symbolon(`get dt_0 -o ${join(dir, 'target/out')} --at-least 1`)).exit).toBe(0);
  });

  it('a link and a pipe stay what they are', async () => {
    await writeFile(join(dir, 'in'), 'some plaintext');
    await symbolon(`put ${join(dir, 'in')}`);
    await writeFile(join(dir, 'file'), 'old');
    await symlink('file', join(dir, 'link'));
    expect((await symbolon(`get dt_0 -o ${join(dir, 'link')}`)).exit).toBe(0);
    expect((await lstat(join(dir, 'link'))).isSymbolicLink()).toBe(true);
    expect(await readFile(join(dir, 'file'), 'utf8')).toBe('some plaintext');

    const pipe = join(dir, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const [ran, read] = await Promise.all([symbolon(`get dt_0 -o ${pipe}`), readFile(pipe, 'utf8')]);
    expect([ran.exit, read, (await lstat(pipe)).isFIFO()]).toEqual([0, 'some plaintext', true]);
  });

  it('says what is wrong with files, tokens and keys', async () => {
    expect((await symbolon(`put ${join(dir, 'missing')}`)).exit).toBe(4);
    expect((await symbolon(`put ${dir}`)).exit).toBe(2);
    expect((await symbolon(`get dt_9 -o ${join(dir, 'out')}`)).exit).toBe(4);
    await writeFile(join(dir, 'in'), 'x');
    await symbolon(`put ${join(dir, 'in')}`);
    expect((await symbolon(`get dt_0 -o ${dir}`)).exit).toBe(2);
    const nowhere = await symbolon(`get dt_0 -o ${join(dir, 'no/such/place')}`);
    expect([nowhere.exit, nowhere.stderr]).toEqual([4, `There is no ${join(dir, 'no/such')}.\n`]);
    env['SYMBOLON_HOME'] = join(dir, 'home without keys');
    credentials = Credentials.at(env);
    await signedIn();
    const ran = await symbolon(`put ${join(dir, 'in')}`);
    expect([ran.exit, ran.stderr.includes('key register')]).toEqual([3, true]);
  });
});

describe('ls and status', () => {
  const item = (n: number) => ({
    token: `dt_${n}`,
    context: 'sealed',
    meta: { file: null, data: null, information_security_risk: null },
    status: 'permanent',
    size: 2048,
    version: 1,
    createdAt: '2026-02-21T15:33:44+00:00',
    updatedAt: '2026-02-21T15:33:44+00:00',
    expiresAt: null,
  });

  it('shows a page for people and for programs, and every page with --all', async () => {
    await signedIn();
    server.script['GET /data-token/list-data-tokens'] = ({ page = '1', perPage = '2' }) => {
      const first = (Number(page) - 1) * Math.min(Number(perPage), 2);
      const items = [0, 1, 2].slice(first, first + 2).map(item);
      return [200, { items, meta: { count: 3, page: Number(page), perPage: Number(perPage) } }];
    };
    const people = await symbolon('ls');
    expect(people.stdout.split('\n').slice(0, 2)).toEqual([
      'TOKEN  STATUS     SIZE     CREATED                    NAME',
      'dt_0   permanent  2.0 KiB  2026-02-21T15:33:44+00:00  sealed',
    ]);
    expect(people.stderr).toContain('2 of 3');
    const json = await symbolon('ls --json --context a* --name b.txt --status permanent');
    expect((document(json)['items'] as unknown[]).length).toBe(2);
    expect(server.asked.at(-1)!.fields).toEqual({
      'filters[context]': 'a*',
      'filters[meta.file.fileName]': 'b.txt',
      'filters[status]': 'permanent',
      page: '1',
    });
    const all = await symbolon('ls --json --all');
    expect(document(all)).toMatchObject({ items: [item(0), item(1), item(2)], meta: { count: 3 } });
  });

  it('shows a status; a rejected command is a refusal', async () => {
    await signedIn();
    const path = `/request-status/${commandId}`;
    const status = { commandId, type: 'data-token/delete-data', createdAt: 'then', updatedAt: 'then', body: null };
    server.script[`GET ${path}`] = answer({ ...status, status: 'succeeded', command_status: 2, reason: null });
    expect((await symbolon(`status ${commandId}`)).stdout).toBe('succeeded  data-token/delete-data\n');
    expect(document(await symbolon(`status ${commandId} --wait --json`))['command_status']).toBe(2);
    server.script[`GET ${path}`] = answer({
      ...status,
      status: 'rejected',
      command_status: 3,
      reason: 'data_token.busy',
    });
    for (const argv of [`status ${commandId}`, `status ${commandId} --wait`]) {
      const { exit, stderr } = await symbolon(argv);
      expect([exit, stderr]).toEqual([5, 'data_token.busy: Another write on the token is pending.\n']);
    }
    server.script[`GET ${path}`] = () => [202, { ...status, status: 'started', command_status: 1, reason: null }];
    expect((await symbolon(`status ${commandId}`)).stdout).toBe('started  data-token/delete-data\n');
    expect((await symbolon(`status ${commandId} --wait --timeout 1`)).exit).toBe(6);
    expect((await symbolon('status unknown')).exit).toBe(4);
  });
});

describe('device', () => {
  const configuration = { 'device-identifier': deviceIdentifier, 'client-id': 'c', 'client-secret': 'once' };
  beforeEach(async () => {
    await signedIn();
    Object.assign(server.script, {
      'POST /device/request-unique-identifier': () => succeeded({ deviceIdentifier }),
      'POST /device/retrieve-unique-identifier': answer({
        deviceIdentifier,
        username: deviceIdentifier,
        password: 'own',
      }),
      'POST /device/approve-device': () => succeeded({ deviceIdentifier }),
      'POST /device/reject-device': () => succeeded({ deviceIdentifier }),
      [`GET /device/retrieve-device-configuration/${deviceIdentifier}`]: answer(configuration),
    } satisfies Script);
  });
  const json = async (path: string): Promise<unknown> => JSON.parse(await readFile(path, 'utf8'));

  it('add: leaves all that the agent needs, for its owner alone', async () => {
    const target = join(dir, 'attic');
    const ran = await cli(['device', 'add', 'attic server', '--dir', target, '--json'], env);
    expect(document(ran)).toEqual({ deviceIdentifier, name: 'attic server', status: 'approved', dir: target });
    expect(server.calls('POST /device/request-unique-identifier')).toEqual([{ deviceName: 'attic server' }]);
    expect(server.calls('POST /device/retrieve-unique-identifier')).toEqual([{ id: commandId }]);
    expect(await json(join(target, 'login.json'))).toEqual({
      url: server.url,
      username: deviceIdentifier,
      password: 'own',
    });
    expect(await json(join(target, 'device.json'))).toEqual(configuration);
    for (const name of ['login.json', 'device.json']) expect((await stat(join(target, name))).mode & 0o777).toBe(0o600);
    expect((await stat(target)).mode & 0o777).toBe(0o700);
    expect(ran.stdout + ran.stderr).not.toContain('once');

    const again = await symbolon(`device add other --dir ${target}`);
    expect(again.exit).toBe(5);
    expect(server.calls('POST /device/request-unique-identifier').length).toBe(1);
  });

  it('add --no-approve, then approve: the configuration follows', async () => {
    expect((await symbolon('device add attic --no-approve')).exit).toBe(0);
    const own = join(dir, 'home/devices', deviceIdentifier);
    expect(await readdir(own)).toEqual(['login.json']);
    expect((await symbolon(`device run --dir ${own} --storage`)).exit).toBe(2);
    expect((await symbolon(`device approve ${deviceIdentifier}`)).exit).toBe(0);
    expect((await readdir(own)).sort()).toEqual(['device.json', 'login.json']);
    expect((await symbolon(`device reject ${deviceIdentifier}`)).exit).toBe(0);
  });

  it('enable: waits for the key of the device, and may be repeated', async () => {
    let looks = 0;
    server.script['GET /public-key/retrieve-public-key'] = () =>
      looks++ < 2 ? refused(404, 'public_key.not_registered') : [200, { fingerprint: 'there' }];
    server.script['POST /storage/register'] = () => succeeded({ deviceIdentifier });
    expect((await symbolon(`device enable ${deviceIdentifier}`)).exit).toBe(0);
    expect(server.calls('POST /storage/register')).toEqual([{ deviceIdentifier }]);
    expect(looks).toBe(3);
    server.script['POST /storage/register'] = () => rejected('storage.already_registered');
    expect((await symbolon(`device enable ${deviceIdentifier}`)).exit).toBe(0);
    server.script['POST /storage/register'] = () => rejected('device.not_approved');
    expect((await symbolon(`device enable ${deviceIdentifier}`)).exit).toBe(5);
    server.script['GET /public-key/retrieve-public-key'] = () => refused(404, 'public_key.not_registered');
    expect((await symbolon(`device enable ${deviceIdentifier} --timeout 1`)).exit).toBe(6);
  });

  it('list: one line per device', async () => {
    const device = {
      deviceIdentifier,
      name: 'attic',
      status: 'approved',
      roles: ['storage'],
      publicKeyRegistered: true,
    };
    server.script['GET /device/retrieve-profile-devices'] = answer({
      items: [{ ...device, online: true }],
      meta: { count: 1, page: 1, perPage: 25 },
    });
    expect((await symbolon('device list --status approved')).stdout.split('\n')[1]).toMatch(
      /^01937b49\S+ +approved +online +storage +yes +attic$/,
    );
    expect(server.asked.at(-1)!.fields).toEqual({ status: 'approved' });
  });

  it('run: says which directory it needs', async () => {
    expect((await symbolon('device run')).stderr).toContain('device add');
    await mkdir(join(dir, 'home/devices/a'), { recursive: true });
    await mkdir(join(dir, 'home/devices/b'), { recursive: true });
    expect((await symbolon('device run')).stderr).toContain('--dir');
  });
});

it('hands the server its own arguments', () => {
  expect(serverArguments({ tour: true })).toEqual([]);
  expect(serverArguments({ port: '1', dataDir: 'd', tour: false, tourFile: 'f', reset: true })).toEqual([
    '--port',
    '1',
    '--data-dir',
    'd',
    '--no-tour',
    '--tour-file',
    'f',
    '--reset',
  ]);
});

it('hands operators’ verbs to the server’s program', async () => {
  expect(operatorArguments(['projection', 'ls'], {}, false)).toEqual(['operate', 'projection', 'ls']);
  const options = { dataDir: 'd', category: ['a', 'b'], lines: 5, follow: true, backedUp: true };
  expect(operatorArguments(['log', 'tail'], options, true).join(' ')).toBe(
    'operate log tail --data-dir d --category a --category b --lines 5 --follow --backed-up --json',
  );
  for (const argv of [
    'projection skip',
    'key rotate',
    'log tail --lines none',
    'log rebase now',
    'dead-letters show',
    'device run --carrier pigeon',
  ]) {
    expect((await symbolon(argv)).exit).toBe(2);
  }
});

it('writes sizes for people', () => {
  expect([0, 1023, 1024, 1536, 1024 ** 3, 5 * 1024 ** 5].map(readableSize)).toEqual([
    '0 B',
    '1023 B',
    '1.0 KiB',
    '1.5 KiB',
    '1.0 GiB',
    '5120.0 TiB',
  ]);
});
