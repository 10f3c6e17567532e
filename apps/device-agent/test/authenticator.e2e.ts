import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import {
  generateEd25519,
  mintSecret,
  randomBytes,
  sha256Hex,
  signStatement,
  uuid7,
  verifyStatement,
} from '@symbolon/crypto';
import { instant, ManualClock, millisOf } from '@symbolon/kernel';
import { type AgentOptions, type RunningAgent, runAgent } from '../src/agent';
import { picture } from '../src/authenticator/picture';
import { readRules } from '../src/authenticator/rules';
import { Screen } from '../src/authenticator/screen';
import { ChannelServer, described, discard, newObjectId, type Said } from './channel-server';

const pace = { retryFirst: 5, retryMost: 40, resendAfter: 200, silence: 60_000, keySetPause: 0 };
const approving = readRules(
  JSON.stringify({
    rules: [{ name: 'invoices', vote: 'yes', operation: ['data_token.data_requested'], context: 'invoices/*' }],
  }),
);
const iss = 'https://vault.example.org';

let server: ChannelServer;
let dir: string;
let agent: RunningAgent | null = null;
let clock: ManualClock;
let events: { event: string; [field: string]: unknown }[] = [];

beforeEach(async () => {
  server = await ChannelServer.start();
  dir = await server.newHome();
  clock = new ManualClock(Date.now());
  events = [];
});

afterEach(async () => {
  await agent?.stop();
  agent = null;
  await server.stop();
  await discard(dir);
});

async function start(voting: AgentOptions['voting'] = {}, options: Partial<AgentOptions> = {}): Promise<void> {
  agent = runAgent({
    dir,
    pace,
    clock,
    roles: ['authenticator'],
    voting,
    log: (event, fields) => {
      events.push({ event, ...fields });
      server.notice();
    },
    ...options,
  });
  await agent.ready;
}

const logged = (event: string) => server.until(() => events.find((line) => line.event === event));

interface Changes {
  readonly content?: object;
  readonly claims?: object;
  readonly signer?: ReturnType<typeof generateEd25519>;
  readonly typ?: string;
}

/** A ballot as the server makes it. */
function ballot({ content = {}, claims = {}, signer = server.signer, typ = 'symbolon-ballot+jwt' }: Changes = {}) {
  const now = clock.millis();
  const [ballotId, poolId, profileId] = [uuid7(), uuid7(), uuid7()];
  const expiresAt = instant(now + 300_000);
  const operation = 'data_token.data_requested';
  const statement = signStatement(signer.privateKey, typ, {
    iss,
    aud: server.deviceIdentifier,
    jti: ballotId,
    poll: poolId,
    operation,
    op: mintSecret(),
    requester: profileId,
    attempt: 1,
    nonce: randomBytes(16).toString('base64url'),
    iat: Math.floor(now / 1000),
    exp: Math.floor(millisOf(expiresAt) / 1000),
    ...claims,
  });
  return {
    ballotId,
    poolId,
    operation,
    title: 'Retrieve data',
    question: 'Allow ada@example.org to retrieve data from "invoices/2026"?',
    context: {
      requester: { profileId, username: 'ada@example.org' },
      application: null,
      ip: '192.0.2.7',
      userAgent: 'curl/8.5',
      location: null,
      time: instant(now),
      dataContext: 'invoices/2026',
      classification: 'internal',
      label: null,
      handling: null,
      device: null,
      nonce: null,
    },
    attempt: 1,
    maxAttempts: 1,
    expiresAt,
    statement,
    ...content,
  };
}

function claimsOf({ content }: Said): Record<string, unknown> {
  const publicKeyHex = server.registered!.signingKey;
  return verifyStatement(content['statement'] as string, { typ: 'symbolon-vote+jwt', publicKeyHex });
}

const votes = () => server.said.filter(({ type }) => type === 'ballot.vote');

async function control(method: string, path: string, body?: object): Promise<{ status: number; body: any }> {
  const { socket } = JSON.parse(readFileSync(join(dir, 'control.json'), 'utf8')) as { socket: string };
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath: socket, method, path }, (response) => {
      text(response).then((answer) => resolve({ status: response.statusCode!, body: JSON.parse(answer) }), reject);
    });
    asked.on('error', reject);
    asked.end(body && JSON.stringify(body));
  });
}

describe('an authenticator with rules', () => {
  test('votes, and its statement names poll, ballot, digest, nonce and choice', async () => {
    await start({ rules: approving });
    const made = ballot();
    const id = server.order('ballot.issued', made);
    const vote = await server.answerTo(id, 'ballot.vote');
    expect(vote.content).toMatchObject({ ballotId: made.ballotId, vote: 'yes', comment: 'rule invoices' });
    const issued = JSON.parse(Buffer.from(made.statement.split('.')[1]!, 'base64url').toString());
    expect(claimsOf(vote)).toEqual({
      iss: server.deviceIdentifier,
      aud: iss,
      poll: made.poolId,
      ballot: made.ballotId,
      ballotHash: Buffer.from(sha256Hex(made.statement), 'hex').toString('base64url'),
      op: issued.op,
      vote: 'yes',
      nonce: issued.nonce,
      iat: Math.floor(millisOf(vote.content['votedAt'] as string) / 1000),
    });
    await server.ackOf(id);
  });

  test('votes no on what no rule speaks of', async () => {
    await start({ rules: approving });
    const made = ballot({ content: { operation: 'data_token.deleted' }, claims: { operation: 'data_token.deleted' } });
    const vote = await server.answerTo(server.order('ballot.issued', made), 'ballot.vote');
    expect([vote.content['vote'], claimsOf(vote)['vote']]).toEqual(['no', 'no']);
  });

  test('a ballot that comes again is answered again, with the same vote under the same id', async () => {
    await start({ rules: approving });
    const made = ballot();
    const id = server.order('ballot.issued', made);
    const vote = await server.answerTo(id, 'ballot.vote');
    server.order('ballot.issued', made, { id });
    await server.until(() => server.arrivals.filter((arrived) => arrived === vote.id).length > 1);
    expect(votes()).toHaveLength(1);
    expect(events.filter(({ event }) => event === 'voted')).toHaveLength(1);
  });

  test('a vote that was not confirmed goes out again after a restart, under the same id', async () => {
    await start({ rules: approving });
    server.acking = false;
    const vote = await server.answerTo(server.order('ballot.issued', ballot()), 'ballot.vote');
    await agent?.stop();
    const before = server.arrivals.filter((id) => id === vote.id).length;
    server.acking = true;
    await start({ rules: approving });
    await server.until(() => server.arrivals.filter((id) => id === vote.id).length > before);
    expect(votes()).toHaveLength(1);
  });
});

describe('a ballot is refused', () => {
  const other = generateEd25519();
  test.each<[string, () => Changes]>([
    ['that another key signed', () => ({ signer: other })],
    ['whose statement is no ballot', () => ({ typ: 'symbolon-vote+jwt' })],
    ['for another device', () => ({ claims: { aud: uuid7() } })],
    ['with the statement of another ballot', () => ({ claims: { jti: uuid7() } })],
    ['with the statement of another poll', () => ({ claims: { poll: uuid7() } })],
    ['that shows another operation', () => ({ content: { operation: 'data_token.deleted' } })],
    ['of another attempt', () => ({ claims: { attempt: 2 } })],
    ['that ends at another time', () => ({ content: { expiresAt: instant(clock.millis() + 9_000_000) } })],
    ['without a digest', () => ({ claims: { op: undefined } })],
  ])('%s', async (_, changes) => {
    await start({ rules: approving });
    const id = server.order('ballot.issued', ballot(changes()));
    const answer = await server.answerTo(id, 'error');
    expect(answer.content['code']).toBe('device.envelope_invalid');
    expect(events.some(({ event }) => event === 'ballot-forged')).toBe(true);
    expect(votes()).toEqual([]);
  });

  test('that is malformed, or that comes to a device which is no authenticator', async () => {
    await start({ rules: approving });
    const malformed = server.order('ballot.issued', { ...ballot(), question: 7 });
    expect((await server.answerTo(malformed, 'error')).content['code']).toBe('device.envelope_invalid');
    await agent?.stop();
    await start({}, { roles: ['storage'] });
    const stranger = server.order('ballot.issued', ballot());
    expect((await server.answerTo(stranger, 'error')).content['code']).toBe('device.envelope_invalid');
    expect(existsSync(join(dir, 'control.json'))).toBe(false);
  });
});

describe('an authenticator that asks', () => {
  test('a person at the terminal, one after the other, and only a whole word is a vote', async () => {
    const [input, output] = [new PassThrough(), new PassThrough()];
    let shown = '';
    output.on('data', (chunk: Buffer) => {
      shown += chunk.toString();
      server.notice();
    });
    await start({ terminal: { input, screen: new Screen(output) } });
    const [first, second] = [ballot(), ballot({ content: { title: 'The second' } })];
    const firstId = server.order('ballot.issued', first);
    await server.ackOf(firstId);
    const secondId = server.order('ballot.issued', second);
    await server.ackOf(secondId);
    await server.until(() => shown.includes('Your vote?'));
    for (const words of ['ada@example.org', '192.0.2.7', 'curl/8.5', 'invoices/2026', 'Until'])
      expect(shown).toContain(words);
    expect(shown).not.toContain('The second');
    input.write('y\n');
    await server.until(() => shown.includes('yes, no or later'));
    expect(votes()).toEqual([]);
    input.write('no\n');
    expect((await server.answerTo(firstId, 'ballot.vote')).content['vote']).toBe('no');
    await server.until(() => shown.includes('The second'));
    input.write('YES\n');
    expect((await server.answerTo(secondId, 'ballot.vote')).content['vote']).toBe('yes');
  });

  test('a person whose question is settled by others while the answer is typed: it is no vote on the next', async () => {
    const [input, output] = [new PassThrough(), new PassThrough()];
    let shown = '';
    output.on('data', (chunk: Buffer) => {
      shown += chunk.toString();
      server.notice();
    });
    await start({ terminal: { input, screen: new Screen(output) } });
    const [first, second] = [ballot(), ballot({ content: { title: 'The second' } })];
    await server.ackOf(server.order('ballot.issued', first));
    const secondId = server.order('ballot.issued', second);
    await server.ackOf(secondId);
    await server.until(() => shown.includes('Your vote?'));
    const { ballotId, poolId } = first;
    server.order('ballot.voided', { ballotId, poolId, reason: 'poll_resolved' });
    await server.until(() => /settled[^]*The second[^]*Your vote\?/.test(shown));
    input.write('yes\n');
    await server.until(() => shown.includes('answer once more'));
    expect(votes()).toEqual([]);
    input.write('no\n');
    expect((await server.answerTo(secondId, 'ballot.vote')).content['vote']).toBe('no');
  });

  test('through its control socket, and a restart forgets no question', async () => {
    await start();
    const made = ballot();
    const id = server.order('ballot.issued', made);
    await server.ackOf(id);
    await agent?.stop();
    await start();
    const { body } = await control('GET', '/ballots');
    expect(body.ballots).toEqual([
      expect.objectContaining({
        ballotId: made.ballotId,
        status: 'open',
        vote: null,
        picture: expect.stringContaining('Retrieve data'),
      }),
    ]);
    expect(await control('POST', `/ballots/${uuid7()}`, { vote: 'yes' })).toEqual({
      status: 409,
      body: { reason: 'unknown' },
    });
    expect((await control('POST', `/ballots/${made.ballotId}`, { vote: 'perhaps' })).status).toBe(422);
    const both = await Promise.all(
      (['yes', 'no'] as const).map((vote) => control('POST', `/ballots/${made.ballotId}`, { vote, comment: 'seen' })),
    );
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
    const vote = await server.answerTo(id, 'ballot.vote');
    expect(vote.content).toMatchObject({ comment: 'seen' });
    expect(votes()).toHaveLength(1);
    expect((await control('GET', '/ballots')).body.ballots[0]).toMatchObject({ status: 'voted', by: 'command line' });
  });

  test('does not vote on what was voided or is over', async () => {
    await start();
    const [voided, late] = [ballot(), ballot()];
    await server.ackOf(server.order('ballot.issued', voided));
    await server.ackOf(server.order('ballot.issued', late));
    const taken = server.order('ballot.voided', {
      ballotId: voided.ballotId,
      poolId: voided.poolId,
      reason: 'poll_resolved',
    });
    await server.ackOf(taken);
    expect((await control('POST', `/ballots/${voided.ballotId}`, { vote: 'yes' })).body).toEqual({ reason: 'void' });
    clock.advance(301_000);
    expect((await control('POST', `/ballots/${late.ballotId}`, { vote: 'yes' })).body).toEqual({ reason: 'expired' });
    expect(votes()).toEqual([]);
  });

  test('hears that the server did not take a vote', async () => {
    await start({ rules: approving });
    const made = ballot();
    const vote = await server.answerTo(server.order('ballot.issued', made), 'ballot.vote');
    server.plain('error', { code: 'ballot.expired', message: 'over', refType: 'ballot.vote' }, vote.id);
    await logged('vote-refused');
    await server.until(() => events.some(({ event, code }) => event === 'vote-refused' && code === 'ballot.expired'));
  });

  test('keeps ballots sealed on its disk: nothing there names anybody', async () => {
    await start();
    const made = ballot();
    await server.ackOf(server.order('ballot.issued', made));
    const [name] = readdirSync(join(dir, 'ballots'));
    expect(name).toBe(`${made.ballotId}.ballot`);
    const kept = readFileSync(join(dir, 'ballots', name!)).toString('latin1');
    for (const secret of ['ada@example.org', 'invoices', '192.0.2.7', made.statement])
      expect(kept).not.toContain(secret);
  });
});

test('one device may store and vote', async () => {
  await start({ rules: approving }, { roles: ['storage', 'authenticator'] });
  const vote = await server.answerTo(server.order('ballot.issued', ballot()), 'ballot.vote');
  expect(vote.content['vote']).toBe('yes');
  const bytes = randomBytes(300);
  const order = { objectId: newObjectId(), version: 1, ...described(bytes), payload: bytes.toString('base64') };
  const ack = await server.answerTo(server.order('storage.write', order));
  expect(ack.type).toBe('storage.write_ack');
});

test('lines that go by leave the question that waits below them', () => {
  const said: string[] = [];
  const screen = new Screen({ write: (text) => said.push(text) });
  screen.write('connected\n');
  screen.ask('Your vote? ');
  screen.write('ballot.issued\n');
  screen.answered();
  screen.write('Voted yes.\n');
  expect(said.map((text) => text.replace('\r\u001b[K', '<'))).toEqual([
    ...['connected\n', 'Your vote? ', '<ballot.issued\nYour vote? ', 'Voted yes.\n'],
  ]);
});

test('the picture of a ballot calls a device by its identifier once', () => {
  const made = ballot();
  const requester = { profileId: server.deviceIdentifier, username: server.deviceIdentifier };
  expect(picture({ ...made, context: { ...made.context, requester } })).toContain(
    `Who:       device ${server.deviceIdentifier}\n`,
  );
});

test('the picture of a ballot cannot move the terminal', () => {
  const made = ballot({ content: { question: 'Allow \u001b[2J\u202eeverything?\r\nDone' } });
  const shown = picture(made);
  expect(shown).not.toMatch(/[\u001b\r\u202e]/);
  expect(shown).toContain('everything?');
});
