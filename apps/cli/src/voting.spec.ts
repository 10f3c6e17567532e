import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { encodePublicKey, fingerprintOf } from '@symbolon/sdk';
import { cli, type Ran, rejected, type Reply, ScriptedServer, succeeded } from '../test/scripted-server';
import { Credentials } from './credentials';

const profileId = '01937b49-0c11-7f3e-8d02-5a6b7c8d9e0f';
const deviceIdentifier = '01937b49-0c11-7f3e-8d02-5a6b7c8d9e10';
const ballotId = '01937b49-0c11-7f3e-8d02-5a6b7c8d9e11';
const poolId = '01937b49-0c11-7f3e-8d02-5a6b7c8d9e12';
const serverKey = encodePublicKey(new Uint8Array(32).fill(9));
const answer = (body: unknown) => (): Reply => [200, body];
const listOf = (...items: object[]) => answer({ items, meta: { count: items.length, page: 1, perPage: 25 } });

let dir: string;
let server: ScriptedServer;
let env: Record<string, string>;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'symbolon-cli-'));
  server = await ScriptedServer.start({
    'GET /dptcab/public-key': answer({ publicKey: serverKey, keyId: 'k', createdAt: 'then' }),
    'GET /public-key/retrieve-public-key': answer({ publicKey: serverKey }),
  });
  env = { SYMBOLON_HOME: join(dir, 'home'), SYMBOLON_URL: server.url };
  const pin = await fingerprintOf(serverKey);
  const credentials = Credentials.at(env);
  await credentials.signIn(server.url, { username: 'ada', profileId, token: 'T-kept', expiresAt: 'later', pin });
});

afterEach(async () => {
  await server.stop();
  await rm(dir, { recursive: true, force: true });
});

const symbolon = (...argv: string[]): Promise<Ran> => cli(argv, env);
const document = ({ stdout }: Ran): any => JSON.parse(stdout);

describe('authenticators', () => {
  test('are added, listed and removed', async () => {
    server.script['POST /verified-authenticator/register'] = () => succeeded({ deviceIdentifier });
    server.script['POST /verified-authenticator/remove'] = () => succeeded({ deviceIdentifier });
    server.script['GET /verified-authenticator/list-verified-authenticators'] = listOf({
      deviceIdentifier,
      name: 'phone',
      verified: true,
      online: true,
      lastVoteAt: null,
    });
    expect((await symbolon('authenticator', 'add', deviceIdentifier)).exit).toBe(0);
    expect((await symbolon('authenticator', 'list')).stdout).toMatch(/verified +online +- +phone/);
    expect((await symbolon('authenticator', 'remove', deviceIdentifier)).exit).toBe(0);
    expect(server.calls('POST /verified-authenticator/remove')).toEqual([{ deviceIdentifier }]);
  });

  test('stay when a policy needs them, with a sentence', async () => {
    server.script['POST /verified-authenticator/remove'] = () => rejected('authenticator.required_by_policy');
    const { exit, stderr } = await symbolon('authenticator', 'remove', deviceIdentifier);
    expect(exit).toBe(5);
    expect(stderr).toContain('policy');
  });
});

describe('voting', () => {
  const settings = { quorumSize: 2, strategy: 'threshold', strategy_params: '2/3', timeLimit: 60, numberOfAttempts: 1 };

  test('settings are changed one by one, and shown', async () => {
    server.script['GET /verified-authenticator/retrieve-strategy'] = answer(settings);
    server.script['POST /verified-authenticator/set-quorum-strategy'] = () => succeeded({});
    server.script['POST /verified-authenticator/set-quorum-size'] = () => succeeded({});
    const { exit, stdout } = await symbolon(
      'voting',
      'set',
      '--quorum',
      '2',
      '--strategy',
      'threshold',
      '--params',
      '2/3',
    );
    expect([exit, stdout]).toEqual([0, expect.stringContaining('threshold 2/3')]);
    expect(server.calls('POST /verified-authenticator/set-quorum-strategy')).toEqual([
      { strategy: 'threshold', strategy_params: '2/3' },
    ]);
    expect((await symbolon('voting', 'set')).exit).toBe(2);
  });

  test('a question is put, looked at and cancelled', async () => {
    server.script['POST /voting/create'] = () => succeeded({ poolId });
    server.script['POST /voting/cancel-pool'] = () => succeeded({ poolId });
    const pool = {
      poolId,
      title: 'Lunch',
      question: 'Pizza?',
      status: 'open',
      reason: null,
      yes: 1,
      no: 0,
      pending: 2,
    };
    server.script[`GET /voting/check-pool-status/${poolId}`] = answer({
      ...pool,
      ballotsIssued: 3,
      attempt: 1,
      maxAttempts: 1,
      expiresAt: 'soon',
    });
    const asked = await symbolon('voting', 'ask', 'Pizza?', '--title', 'Lunch', '--configuration', 'all');
    expect(asked.stdout.trim()).toBe(poolId);
    expect(server.calls('POST /voting/create')).toEqual([
      { votingConfigurationId: 'all', title: 'Lunch', question: 'Pizza?' },
    ]);
    expect((await symbolon('voting', 'pool', poolId)).stdout).toContain('1 yes, 0 no, 2 pending of 3');
    expect((await symbolon('voting', 'cancel', poolId)).exit).toBe(0);
  });
});

describe('policies', () => {
  test('are made with their conditions and activated', async () => {
    server.script['POST /policy/register'] = () => succeeded({ id: poolId, name: 'four eyes' });
    server.script['POST /policy/activate'] = () => succeeded({ id: poolId });
    const ran = await symbolon(
      ...['policy', 'add', 'data_access', '--event', 'data_token.data_requested', '--name', 'four eyes', '--activate'],
      ...['--set', 'context=invoices/*', 'minimumSize=100', 'applicationId=["any"]'],
    );
    expect([ran.exit, ran.stdout.trim()]).toEqual([0, 'four eyes']);
    expect(server.calls('POST /policy/register')).toEqual([
      {
        policyTemplateId: 'data_access',
        applyingEventIds: ['data_token.data_requested'],
        name: 'four eyes',
        configuration: { context: 'invoices/*', minimumSize: 100, applicationId: ['any'] },
      },
    ]);
    expect(server.calls('POST /policy/activate')).toEqual([{ name: 'four eyes' }]);
    expect((await symbolon('policy', 'add', 'data_access', '--event', 'x', '--set', 'context')).exit).toBe(2);
  });

  test('are about every operation of their template where none is named', async () => {
    const events = { 'profile.authenticate': {}, 'oauth.authorize': {} };
    server.script['GET /policy/list-policy-templates'] = () => [200, { authentication: { events } }];
    server.script['POST /policy/register'] = () => succeeded({ id: poolId, name: 'all' });
    expect((await symbolon('policy', 'add', 'authentication', '--name', 'all')).exit).toBe(0);
    expect(server.calls('POST /policy/register')).toMatchObject([{ applyingEventIds: Object.keys(events) }]);
  });

  test('are deleted under their name', async () => {
    server.script['POST /policy/delete'] = () => rejected('policy.active');
    expect((await symbolon('policy', 'delete', 'four eyes')).exit).toBe(5);
    expect(server.calls('POST /policy/delete')).toEqual([{ name: 'four eyes' }]);
  });
});

describe('ballots', () => {
  let agent: Server;
  const votes: object[] = [];

  beforeEach(async () => {
    const home = join(dir, 'home', 'devices', deviceIdentifier);
    await mkdir(home, { recursive: true });
    votes.length = 0;
    agent = createServer(async (request, response) => {
      const body = await text(request);
      if (request.url === '/ballots') {
        const ballot = { poolId: 'the-pool', title: 'Retrieve data', expiresAt: 'soon' };
        const item = {
          ballotId,
          status: 'open',
          vote: null,
          by: null,
          closed: null,
          picture: 'Retrieve data\n  Who: ada',
          ballot,
        };
        return response.end(JSON.stringify({ ballots: [item] }));
      }
      if (request.url !== `/ballots/${ballotId}` || votes.length > 0) {
        const reason = votes.length > 0 ? 'already voted' : 'unknown';
        return response.writeHead(409).end(JSON.stringify({ reason }));
      }
      votes.push(JSON.parse(body) as object);
      return response.end(JSON.stringify({ voted: 'yes' }));
    });
    await new Promise<void>((listening) => agent.listen(join(dir, 'agent.sock'), listening));
    await writeFile(join(home, 'control.json'), JSON.stringify({ socket: join(dir, 'agent.sock') }));
  });

  afterEach(() => new Promise((closed) => agent.close(closed)));

  test('are shown with who asks for what, and voted on once', async () => {
    const { stdout } = await symbolon('ballot', 'list');
    for (const words of [ballotId, 'the-pool', 'Who: ada', `symbolon ballot yes|no ${ballotId}`])
      expect(stdout).toContain(words);
    expect(document(await symbolon('ballot', 'list', '--json')).ballots).toHaveLength(1);
    expect((await symbolon('ballot', 'yes', ballotId, '--comment', 'seen')).exit).toBe(0);
    expect(votes).toEqual([{ vote: 'yes', comment: 'seen' }]);
    expect((await symbolon('ballot', 'no', ballotId)).exit).toBe(5);
  });

  test('that nobody here holds are missing, and without an agent there are none', async () => {
    expect((await symbolon('ballot', 'yes', poolId)).exit).toBe(4);
    expect((await symbolon('ballot', 'list', '--dir', join(dir, 'elsewhere'))).exit).toBe(6);
  });
});
