import { rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { randomBytes } from '@symbolon/crypto';
import { type FreshDatabase, freshDatabase, password, until } from '@symbolon/testing';
import { AgentRun, buildPrograms, ServerProcess, symbolon, temporaryFolder } from './server-process';

jest.setTimeout(180_000);

/** What policies and votes are for, with the programs that people run. */
let database: FreshDatabase;
let server: ServerProcess;
let folder: string;
const agents: AgentRun[] = [];

beforeAll(async () => {
  buildPrograms();
  database = await freshDatabase();
  folder = temporaryFolder();
  server = await ServerProcess.create({ DATABASE_URL: database.url });
  await server.start();
});

afterAll(async () => {
  for (const agent of agents) await agent.kill('SIGTERM');
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
  await database.drop();
});

type Vote = 'yes' | 'no' | 'ask';

/** Rules that say the same to everything about these operations. */
function rulesFor(dir: string, vote: Vote, operation: readonly string[], conditions: object = {}): string {
  const file = join(folder, `${dir}.rules.json`);
  writeFileSync(file, JSON.stringify({ rules: [{ name: 'always', vote, operation, ...conditions }] }));
  return file;
}

/** A device of the profile with these roles, its agent running. */
async function device(token: string, name: string, roles: readonly string[], args: readonly string[] = []) {
  const dir = join(folder, name);
  const deviceIdentifier = await server.device(token, dir);
  const agent = new AgentRun(dir, ['--role', roles.join(','), ...args]);
  agents.push(agent);
  await agent.start();
  if (roles.includes('storage')) await server.done('/storage/register', { deviceIdentifier }, token);
  if (roles.includes('authenticator'))
    await server.done('/verified-authenticator/register', { deviceIdentifier }, token);
  return { deviceIdentifier, dir, agent };
}

async function policy(token: string, fields: object): Promise<string> {
  const { body } = await server.done('/policy/register', fields, token);
  await server.done('/policy/activate', { policyId: body.id }, token);
  return body.id;
}

const status = async (commandId: string, token?: string) =>
  (await server.call('GET', `/request-status/${commandId}`, undefined, token)).body;

function settled(commandId: string, token?: string): Promise<any> {
  return until(async () => {
    const found = await status(commandId, token);
    return found.command_status > 1 ? found : null;
  }, 'the command to end');
}

/** A call from another address of this machine. */
async function callFrom(address: string, path: string, fields: object): Promise<{ status: number; body: any }> {
  return new Promise((resolve, reject) => {
    const call = request(
      {
        host: '127.0.0.1',
        port: server.port,
        localAddress: address,
        method: 'POST',
        path,
        headers: { 'content-type': 'application/json' },
      },
      (response) => {
        text(response).then((body) => resolve({ status: response.statusCode!, body: JSON.parse(body) }), reject);
      },
    );
    call.on('error', reject);
    call.end(JSON.stringify(fields));
  });
}

test('a sign-in from a new address waits for one person, who sees who asks from where', async () => {
  const username = 'ada@example.org';
  const token = await server.profile(username);
  const phone = await device(token, 'phone', ['authenticator']);
  await policy(token, {
    policyTemplateId: 'authentication',
    applyingEventIds: ['profile.authenticate'],
    configuration: { onlyNewAddress: true },
  });

  const known = await callFrom('127.0.0.1', '/profile/authenticate', { username, password });
  expect([known.status, known.body.authorizationToken]).toEqual([200, expect.stringMatching(/^T-/)]);
  const wrong = await callFrom('127.0.0.2', '/profile/authenticate', { username, password: 'wrong password' });
  expect(wrong.status).toBe(401);

  const asked = await callFrom('127.0.0.2', '/profile/authenticate', { username, password });
  expect([asked.status, asked.body.status]).toEqual([202, expect.stringMatching(/started|pending_vote/)]);
  const { commandId } = asked.body;
  const again = await callFrom('127.0.0.2', '/profile/authenticate', { username, password, commandId });
  expect([again.status, again.body.commandId]).toEqual([202, commandId]);

  const environment = { SYMBOLON_HOME: join(folder, 'home'), SYMBOLON_URL: server.url };
  const ballots = ['ballot', 'list', '--dir', phone.dir];
  const open = await until(async () => {
    const { stdout } = await symbolon([...ballots, '--json'], environment);
    return JSON.parse(stdout).ballots[0];
  }, 'an open ballot');
  const shown = (await symbolon(ballots, environment)).stdout;
  for (const words of [username, '127.0.0.2', 'Sign in', 'Until']) expect(shown).toContain(words);
  const voted = await symbolon(['ballot', 'yes', open.ballotId, '--dir', phone.dir], environment);
  expect([voted.code, voted.stdout]).toEqual([0, 'Voted yes.\n']);

  await settled(commandId);
  const granted = await callFrom('127.0.0.2', '/profile/authenticate', { username, password, commandId });
  expect([granted.status, granted.body.authorizationToken]).toEqual([200, expect.stringMatching(/^T-/)]);
  const spent = await callFrom('127.0.0.2', '/profile/authenticate', { username, password, commandId });
  expect([spent.status, spent.body.code]).toEqual([409, 'profile.login_spent']);
  expect(
    (await server.call('GET', '/profile/retrieve-profile-id', undefined, granted.body.authorizationToken)).status,
  ).toBe(200);
  // The address is known from now on.
  const later = await callFrom('127.0.0.2', '/profile/authenticate', { username, password });
  expect(later.status).toBe(200);
});

test('an account is deleted once all three of three agree, and not with two', async () => {
  const username = 'bob@example.org';
  const token = await server.profile(username);
  const votes: Record<string, Vote> = { 'bob-1': 'yes', 'bob-2': 'yes', 'bob-3': 'no' };
  const operation = ['profile.delete_account'];
  const devices = [];
  for (const [name, vote] of Object.entries(votes))
    devices.push(await device(token, name, ['authenticator'], ['--rules', rulesFor(name, vote, operation)]));
  await server.done('/verified-authenticator/set-quorum-strategy', { strategy: 'unanimous' }, token);
  await server.done('/verified-authenticator/set-quorum-size', { quorumSize: 3 }, token);
  await policy(token, { policyTemplateId: 'security_settings', applyingEventIds: operation });

  const refused = (await server.call('POST', '/profile/delete-account', { password }, token)).body;
  expect(await settled(refused.commandId, token)).toMatchObject({ status: 'rejected', reason: 'poll.rejected' });
  expect((await server.call('GET', '/profile/retrieve-profile-id', undefined, token)).status).toBe(200);

  const third = devices[2]!;
  await third.agent.kill('SIGTERM');
  rulesFor('bob-3', 'yes', operation);
  await third.agent.start();
  const agreed = (await server.call('POST', '/profile/delete-account', { password }, token)).body;
  await until(async () => {
    const { body } = await server.call('POST', `/request-status/${agreed.commandId}`);
    return body === 'succeeded';
  }, 'the command to succeed');
  const gone = await server.call('POST', '/profile/authenticate', { username, password });
  expect(gone.status).toBe(401);
});

test('data asked for by an application needs two votes and a majority; its owner asks without', async () => {
  const token = await server.profile('carol@example.org');
  const operation = ['data_token.data_requested'];
  const yes = ['--rules', rulesFor('carol-yes', 'yes', operation, { application: 'any' })];
  const no = ['--rules', rulesFor('carol-no', 'no', operation)];
  await device(token, 'carol-1', ['storage', 'authenticator'], yes);
  await device(token, 'carol-2', ['authenticator'], yes);
  await device(token, 'carol-3', ['authenticator'], no);
  await server.done(
    '/verified-authenticator/voting-configuration/register',
    { name: 'majority of two', strategy: 'majority', quorumSize: 2, timeLimit: 60 },
    token,
  );

  const redirectUri = 'https://app.example.org/back';
  const scopes = ['data-token:read', 'data-token:write'];
  const { body: app } = await server.done(
    '/profile/oauth-application-register',
    { name: 'Export', redirectUri, scopes },
    token,
  );
  const { applicationId } = app;
  const { clientSecret, clientId } = (
    await server.call('POST', '/profile/retrieve-oauth-application-configuration', { applicationId }, token)
  ).body;
  const query = new URLSearchParams({ client_id: clientId, nonce: 'n1' });
  for (const scope of scopes) query.append('scope[]', scope);
  const consent = await server.call(
    'GET',
    `/profile/oauth-application-request-authorization-code?${query}`,
    undefined,
    token,
    { prefer: 'wait=20' },
  );
  const basic = { authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}` };
  const code = await server.call(
    'POST',
    '/oauth-application/retrieve-authorization-code',
    { id: consent.body.commandId, nonce: 'n1' },
    undefined,
    basic,
  );
  const access = await server.call(
    'POST',
    '/oauth-application/obtain-access-token',
    { authorization_code: code.body.authorizationCode },
    undefined,
    basic,
  );
  const appToken = access.body.token as string;

  const bytes = randomBytes(3000);
  const { commandId } = await server.done('/data-token/reserve-token-space', { context: 'invoices/1' }, token);
  const space = await server.call('GET', `/data-token/retrieve-temporary-data-token/${commandId}`, undefined, token);
  const fields = { temporaryTokenSpace: space.body.token, data: bytes.toString('base64') };
  await server.done('/data-token/exchange-data-for-token', fields, token);

  await policy(token, {
    policyTemplateId: 'data_access',
    applyingEventIds: operation,
    configuration: { applicationId: 'any' },
    votingConfigurationId: 'majority of two',
  });
  await server.done('/data-token/request-data', { token: space.body.token }, token);

  const held = await server.call('POST', '/data-token/request-data', { token: space.body.token }, appToken);
  expect(held.status).toBe(202);
  const granted = await settled(held.body.commandId, appToken);
  expect(granted).toMatchObject({ status: 'succeeded', poolId: expect.any(String) });
  expect(Buffer.from(await (await fetch(granted.body.downloadUrl)).arrayBuffer()).equals(bytes)).toBe(true);
  const pool = await server.call('GET', `/voting/check-pool-status/${granted.poolId}`, undefined, token);
  expect(pool.body).toMatchObject({
    status: 'succeeded',
    strategy: 'consensus',
    quorumSize: 2,
    ballotsIssued: 3,
    yes: 2,
  });
});

test('an upload is approved by a rules file where it says so, and refused elsewhere', async () => {
  const token = await server.profile('dora@example.org');
  const operation = ['data_token.data_exchanged'];
  const rules = rulesFor('dora', 'yes', operation, { context: 'reports/*', address: '127.0.0.0/8' });
  await device(token, 'dora', ['storage', 'authenticator'], ['--rules', rules]);
  await policy(token, { policyTemplateId: 'data_change', applyingEventIds: operation });

  const upload = async (context: string, bytes: Buffer) => {
    const { commandId } = await server.done('/data-token/reserve-token-space', { context }, token);
    const path = `/data-token/retrieve-temporary-data-token/${commandId}`;
    const { stream, token: dataToken } = (await server.call('GET', path, undefined, token)).body;
    const answer = await fetch(stream, { method: 'POST', body: new Uint8Array(bytes) });
    const { commandId: uploaded } = (await answer.json()) as { commandId: string };
    return { dataToken: dataToken as string, end: await settled(uploaded, token) };
  };
  const bytes = randomBytes(200_000);
  const { dataToken, end } = await upload('reports/2026', bytes);
  expect(end).toMatchObject({ status: 'succeeded', body: { size: bytes.length } });
  const { body } = await server.done('/data-token/request-data', { token: dataToken }, token);
  expect(Buffer.from(await (await fetch(body.downloadUrl)).arrayBuffer()).equals(bytes)).toBe(true);

  const refused = await upload('elsewhere', bytes);
  expect(refused.end).toMatchObject({ status: 'rejected', reason: 'poll.rejected' });
});

test('a device is no authenticator before its rules can be used', async () => {
  const token = await server.profile('eve@example.org');
  const dir = join(folder, 'eve');
  await server.device(token, dir);
  const env = { SYMBOLON_HOME: join(folder, 'home'), SYMBOLON_URL: server.url, SYMBOLON_PASSWORD: password };
  await symbolon(['profile', 'login', 'eve@example.org'], env);
  const rules = rulesFor('eve', 'no', ['data_token.data_request']);
  const ran = await symbolon(['device', 'run', '--dir', dir, '--authenticator', '--rules', rules], env);
  expect([ran.code, ran.stderr]).toEqual([2, expect.stringContaining('data_token.data_request')]);
  const path = '/verified-authenticator/list-verified-authenticators';
  expect((await server.call('GET', path, undefined, token)).body.items).toEqual([]);
});

test('a new device signs in at its first start where sign-ins are voted on, and not where the vote says no', async () => {
  const token = await server.profile('frank@example.org');
  const operation = ['profile.authenticate'];
  const voter = await device(token, 'frank', ['authenticator'], ['--rules', rulesFor('frank', 'yes', operation)]);
  await policy(token, { policyTemplateId: 'authentication', applyingEventIds: operation });
  await device(token, 'frank-2', ['storage']);
  await voter.agent.kill('SIGTERM');
  const never = new AgentRun(voter.dir, ['--role', 'authenticator', '--rules', rulesFor('frank', 'no', operation)]);
  agents.push(never);
  await never.start();
  const dir = join(folder, 'frank-3');
  await server.device(token, dir);
  const env = { SYMBOLON_HOME: join(folder, 'frank-home') };
  const ran = await symbolon(['device', 'run', '--dir', dir, '--role', 'storage'], env);
  expect([ran.code === 0, ran.stderr]).toEqual([false, expect.stringContaining('poll.rejected')]);
  // So does whoever signs in with the command line.
  const signIn = { ...env, SYMBOLON_URL: server.url, SYMBOLON_PASSWORD: password };
  const signedIn = await symbolon(['profile', 'login', 'frank@example.org'], signIn);
  expect([signedIn.code, signedIn.stderr]).toEqual([3, expect.stringContaining('poll.rejected: Voted down.')]);
});
