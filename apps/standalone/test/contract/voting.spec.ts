import { generateEd25519, sha256Hex, signStatement, uuid7, verifyStatement } from '@symbolon/crypto';
import { ManualClock } from '@symbolon/kernel';
import { type Taken, TestDevice, type TestProfile, TestServer, TestSocket, until } from '@symbolon/testing';

const clock = new ManualClock(Date.now());
let server: TestServer;
let ada: TestProfile;
let eve: TestProfile;

beforeAll(async () => {
  server = await TestServer.start({ clock });
  eve = await server.profile();
});
beforeEach(async () => {
  ada = await server.profile();
});

const devices: TestDevice[] = [];
afterEach(async () => {
  for (const device of devices.splice(0)) await device.leave();
});
afterAll(() => server.stop());

async function authenticator(of = ada, { signing = true } = {}): Promise<TestDevice> {
  const device = await TestDevice.of(server, of, { storage: false, signing });
  await server.done('/verified-authenticator/register', { deviceIdentifier: device.deviceIdentifier }, of.token);
  await device.connect();
  devices.push(device);
  return device;
}
const authenticators = (count: number) => Promise.all(Array.from({ length: count }, () => authenticator()));

let names = 0;
async function configured(fields: object = {}, of = ada): Promise<string> {
  const named = { name: `rules ${++names}`, timeLimit: 60, strategy: 'unanimous', ...fields };
  await server.done('/verified-authenticator/voting-configuration/register', named, of.token);
  return named.name;
}
const asked = { title: 'A title', question: 'Shall we?' };
async function create(votingConfigurationId: string, fields: object = {}): Promise<string> {
  const { body } = await server.done('/voting/create', { votingConfigurationId, ...asked, ...fields }, ada.token);
  return body.poolId;
}
async function refusal(path: string, json: object, token = ada.token): Promise<string> {
  const { status, body } = await server.post(path, { json, token, wait: 30 });
  expect([status, body.status]).toEqual([200, 'rejected']);
  return body.reason;
}
const pool = async (poolId: string, token = ada.token) =>
  (await server.get(`/voting/check-pool-status/${poolId}`, { token })).body;
async function untilPool(poolId: string, expected: object): Promise<any> {
  for (const giveUp = performance.now() + 20_000; ;) {
    const found = await pool(poolId);
    if (Object.entries(expected).every(([name, value]) => found[name] === value)) return found;
    if (performance.now() > giveUp)
      throw new Error(`waited in vain for ${JSON.stringify(expected)}: ${JSON.stringify(found)}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
const ballot = (device: TestDevice, poolId: string): Promise<Taken> =>
  device.until(() => of(device, poolId) !== undefined).then(() => of(device, poolId)!);
const of = ({ taken }: TestDevice, poolId: string) =>
  taken.find(({ envelope, content }) => envelope.type === 'ballot.issued' && content.poolId === poolId);
async function fault(device: TestDevice, id: string): Promise<string> {
  const answer = () => device.taken.find(({ envelope }) => envelope.type === 'error' && envelope.correlationId === id);
  await device.until(() => answer() !== undefined);
  return answer()!.content.code;
}
interface Stored {
  readonly type: string;
  readonly stream: string;
  readonly data: Record<string, any>;
  readonly meta: { readonly commandId: string | null };
}
async function events(where: string, ...params: unknown[]): Promise<Stored[]> {
  return (
    await server.database.pool.query(
      `select type, stream, data, meta from es.event where ${where} order by xid, position`,
      params,
    )
  ).rows;
}
const ofPoll = (poolId: string) => events('stream = $1', `poll-${poolId}`);
const typesOf = async (poolId: string) => (await ofPoll(poolId)).map(({ type }) => type);
const alerts = (poolId: string) => events(`type = 'security.alert_raised' and data->>'poolId' = $1`, poolId);
describe('86: a vote on a question', () => {
  test('goes to all authenticators, and is decided by them', async () => {
    const [first, second] = await authenticators(2);
    const { status, body, headers } = await server.post('/voting/create', {
      json: { votingConfigurationId: await configured(), ...asked, nonce: 'n-1' },
      token: ada.token,
    });
    expect(status).toBe(202);
    const { commandId, poolId } = body;
    expect(body).toEqual({ commandId: headers.get('x-dpt-cab-id'), status: 'started', poolId: expect.any(String) });
    const ended = await server.get(`/request-status/${commandId}`, { token: ada.token, wait: 20 });
    expect(ended.body).toMatchObject({ type: 'voting/create', status: 'succeeded', body: { poolId }, poolId });

    const open = await pool(poolId);
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/);
    expect(open).toEqual({
      ...{ poolId, commandId, operation: 'voting.create', ...asked, nonce: 'n-1', status: 'open' },
      ...{ strategy: 'unanimous', strategy_params: '', quorumSize: 1, ballotsIssued: 2, yes: 0, no: 0, pending: 2 },
      ...{ attempt: 1, maxAttempts: 1, previousPoolId: null, nextPoolId: null },
      ...{ createdAt: time, expiresAt: time, resolvedAt: null, reason: null },
    });

    const issued = await ballot(first!, poolId);
    expect(issued.content).toMatchObject({
      poolId,
      operation: 'voting.create',
      ...asked,
      attempt: 1,
      maxAttempts: 1,
      expiresAt: open.expiresAt,
    });
    expect(issued.content.context).toMatchObject({ nonce: 'n-1', requester: null, ip: null, dataContext: null });
    const jwk = (await server.get('/.well-known/jwks.json')).body.keys[0];
    const publicKeyHex = Buffer.from(jwk.x, 'base64url').toString('hex');
    const claims = verifyStatement(issued.content.statement, { typ: 'symbolon-ballot+jwt', publicKeyHex });
    expect(claims).toEqual({
      ...{ iss: server.url, aud: first!.deviceIdentifier, jti: issued.content.ballotId, poll: poolId },
      ...{ operation: 'voting.create', op: expect.stringMatching(/^[\w-]{43}$/), requester: ada.profileId, attempt: 1 },
      ...{
        nonce: expect.stringMatching(/^[\w-]{22}$/),
        iat: expect.any(Number),
        exp: Date.parse(open.expiresAt) / 1000,
      },
    });
    const other = await ballot(second!, poolId);
    const otherClaims = verifyStatement(other.content.statement, { typ: 'symbolon-ballot+jwt', publicKeyHex });
    expect(otherClaims['op']).toBe(claims['op']);
    expect(otherClaims['nonce']).not.toBe(claims['nonce']);

    first!.vote(issued, 'yes', { comment: 'of course' });
    await untilPool(poolId, { yes: 1, pending: 1, status: 'open' });
    second!.vote(other, 'yes');
    expect(await untilPool(poolId, { status: 'succeeded' })).toMatchObject({
      yes: 2,
      no: 0,
      pending: 0,
      reason: null,
      resolvedAt: time,
    });

    expect(await typesOf(poolId)).toEqual([
      'poll.created',
      'ballot.issued',
      'ballot.issued',
      'ballot.cast',
      'ballot.cast',
      'poll.resolved',
    ]);
    const log = await ofPoll(poolId);
    expect(new Set(log.map(({ meta }) => meta.commandId))).toEqual(new Set([commandId]));
    const cast = log.filter(({ type }) => type === 'ballot.cast');
    expect(cast.map(({ data }) => data['signed'])).toEqual([true, true]);
    // In no particular order.
    const votes = log.at(-1)!.data['votes'] as object[];
    expect(votes).toHaveLength(cast.length);
    expect(new Set(votes)).toEqual(
      new Set(
        cast.map(({ data }) => ({
          ballotId: data['ballotId'],
          statementHash: Buffer.from(sha256Hex(data['statement']), 'hex').toString('base64url'),
        })),
      ),
    );
    expect(JSON.stringify(log)).not.toContain('of course');
    expect(JSON.stringify(log)).not.toContain(asked.question);
    expect(await alerts(poolId)).toEqual([]);
    const list = await server.get('/verified-authenticator/list-verified-authenticators', { token: ada.token });
    expect(list.body.items.map((item: any) => item.lastVoteAt)).toEqual([time, time]);
  });

  test('repeats its answer under an Idempotency-Key', async () => {
    await authenticator();
    const request = {
      json: { votingConfigurationId: await configured(), ...asked },
      token: ada.token,
      headers: { 'idempotency-key': 'k' },
    };
    const first = await server.post('/voting/create', request);
    const second = await server.post('/voting/create', request);
    expect(second.body).toEqual(first.body);
    expect(first.body.poolId).toEqual(expect.any(String));
  });

  test('is refused where it cannot be held, and nothing is opened', async () => {
    expect(await refusal('/voting/create', { votingConfigurationId: 'nobody', ...asked })).toBe(
      'voting_configuration.not_found',
    );
    const name = await configured();
    expect(await refusal('/voting/create', { votingConfigurationId: name, ...asked }, eve.token)).toBe(
      'voting_configuration.not_found',
    );
    expect(await refusal('/voting/create', { votingConfigurationId: name, ...asked })).toBe('voting.no_authenticators');
    const { deviceIdentifier } = await authenticator();
    const skipped = { votingConfigurationId: name, ...asked, skipAuthenticatorDevices: [deviceIdentifier] };
    expect(await refusal('/voting/create', skipped)).toBe('voting.no_authenticators');
    const unreachable = [
      await configured({ quorumSize: 2 }),
      await configured({ strategy: 'threshold', countRequired: 2 }),
    ];
    for (const votingConfigurationId of unreachable)
      expect(await refusal('/voting/create', { votingConfigurationId, ...asked })).toBe('voting.quorum_unreachable');
    expect(await events(`type like 'poll.%' and data->>'profileId' = $1`, ada.profileId)).toEqual([]);
    for (const fields of [
      { title: '' },
      { question: 'x'.repeat(1001) },
      { title: 'x'.repeat(201) },
      { nonce: 'x'.repeat(256) },
      { skipAuthenticatorDevices: ['x'] },
      { votingConfigurationId: null },
    ]) {
      const { status } = await server.post('/voting/create', {
        json: { votingConfigurationId: name, ...asked, ...fields },
        token: ada.token,
      });
      expect([fields, status]).toEqual([fields, 422]);
    }
  });

  test('takes its defaults from the settings, and keeps the rules with which it was opened', async () => {
    const [first, second] = await authenticators(2);
    await server.done('/verified-authenticator/set-quorum-size', { quorumSize: 2 }, ada.token);
    await server.done('/verified-authenticator/set-maximum-voting-attempts', { numberOfAttempts: 3 }, ada.token);
    const name = await configured({
      strategy: 'single',
      deviceIdentifiers: [first!.deviceIdentifier, second!.deviceIdentifier],
    });
    const poolId = await create(name);
    await server.done('/verified-authenticator/set-quorum-size', { quorumSize: 1 }, ada.token);
    await server.done(
      '/verified-authenticator/voting-configuration/update',
      { name, strategy: 'unanimous' },
      ada.token,
    );
    expect(await pool(poolId)).toMatchObject({ strategy: 'affirmative', quorumSize: 2, maxAttempts: 3 });
    first!.vote(await ballot(first!, poolId), 'yes');
    await untilPool(poolId, { yes: 1, status: 'open' });
    second!.vote(await ballot(second!, poolId), 'no');
    await untilPool(poolId, { status: 'succeeded', yes: 1, no: 1 });
  });

  test('asks the configuration’s devices alone', async () => {
    const [first, second] = await authenticators(2);
    const poolId = await create(await configured({ deviceIdentifiers: [first!.deviceIdentifier] }));
    await ballot(first!, poolId);
    expect(await pool(poolId)).toMatchObject({ ballotsIssued: 1 });
    expect(of(second!, poolId)).toBeUndefined();
  });
});

describe('87: a pool', () => {
  test('is shown to nobody else', async () => {
    await authenticator();
    const poolId = await create(await configured());
    expect(await pool(poolId, eve.token)).toMatchObject({ status: 404, code: 'not_found' });
    expect(await pool(uuid7())).toMatchObject({ status: 404 });
    expect(await pool('x')).toMatchObject({ status: 404 });
    const denied = await events('stream = $1', `audit-${eve.profileId}`);
    expect(denied.map(({ data }) => data['path'])).toContain(`/voting/check-pool-status/${poolId}`);
    await server.done('/voting/cancel-pool', { poolId }, ada.token);
  });
});

describe('the end of a poll', () => {
  test('comes as soon as it is certain; open ballots are void and their devices told', async () => {
    const [first, second] = await authenticators(2);
    const socket = await TestSocket.join(server.url, ada.token);
    const poolId = await create(await configured());
    const waiting = await ballot(second!, poolId);
    first!.vote(await ballot(first!, poolId), 'no');
    expect(await untilPool(poolId, { status: 'rejected' })).toMatchObject({
      reason: 'poll.rejected',
      no: 1,
      pending: 0,
      nextPoolId: null,
    });
    expect((await second!.got('ballot.voided')).content).toEqual({
      ballotId: waiting.content.ballotId,
      poolId,
      reason: 'poll_resolved',
    });
    const [raised] = await until(async () => (await alerts(poolId)).length > 0 && alerts(poolId), 'an alert');
    expect(raised!.data).toMatchObject({ profileId: ada.profileId, kind: 'poll_rejected', deviceIdentifier: null });
    const alert = await socket.until((frame) => frame.data?.type === 'SECURITY-ALERT');
    expect(alert.data.body).toEqual({ kind: 'poll_rejected', poolId, commandId: raised!.data['commandId'] });
    expect(await fault(second!, second!.vote(waiting, 'yes'))).toBe('ballot.voided');
    socket.socket.terminate();
  });

  test('comes at the time limit with the votes there are', async () => {
    const [first] = await authenticators(3);
    const one = await create(await configured({ strategy: 'consensus' }));
    const two = await create(await configured({ strategy: 'consensus', quorumSize: 2 }));
    const none = await create(await configured());
    for (const poolId of [one, two]) {
      first!.vote(await ballot(first!, poolId), 'yes');
      await untilPool(poolId, { yes: 1, status: 'open' });
    }
    const late = await ballot(first!, none);
    clock.advance(61);
    await untilPool(one, { status: 'succeeded' });
    expect(await untilPool(two, { status: 'failed_quorum' })).toMatchObject({ reason: 'poll.quorum_not_met' });
    expect(await untilPool(none, { status: 'timed_out' })).toMatchObject({ reason: 'poll.timed_out', pending: 0 });
    expect(await fault(first!, first!.vote(late, 'yes'))).toBe('ballot.expired');
    const kinds = async (poolId: string) =>
      (await until(async () => (await alerts(poolId)).length > 0 && alerts(poolId), 'an alert')).map(
        ({ data }) => data['kind'],
      );
    expect(await kinds(two)).toEqual(['poll_quorum_not_met']);
    expect(await kinds(none)).toEqual(['poll_timed_out']);
    expect(await alerts(one)).toEqual([]);
  });

  test('is followed by further attempts, as many as there may be', async () => {
    const device = await authenticator();
    const first = await create(await configured({ numberOfAttempts: 3 }), { nonce: 'again' });
    device.vote(await ballot(device, first), 'no');
    const { nextPoolId: second } = await untilPool(first, { status: 'rejected' });
    expect(second).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    const issued = await ballot(device, second);
    expect(issued.content).toMatchObject({ ...asked, attempt: 2, maxAttempts: 3, context: { nonce: 'again' } });
    expect(await pool(second)).toMatchObject({
      ...asked,
      status: 'open',
      attempt: 2,
      previousPoolId: first,
      nonce: 'again',
    });
    clock.advance(61);
    const { nextPoolId: third } = await untilPool(second, { status: 'timed_out' });
    expect(fresh(issued, await ballot(device, third))).toBe(true);
    device.vote(await ballot(device, third), 'no');
    expect(await untilPool(third, { status: 'rejected' })).toMatchObject({
      attempt: 3,
      nextPoolId: null,
      previousPoolId: second,
    });
    const command = await server.get(`/request-status/${(await pool(third)).commandId}`, { token: ada.token });
    expect(command.body).toMatchObject({ status: 'succeeded', body: { poolId: first }, poolId: third });
  });
  const fresh = (a: Taken, b: Taken) =>
    a.content.ballotId !== b.content.ballotId && a.content.statement !== b.content.statement;

  test('is final where nobody is left to ask', async () => {
    const device = await authenticator();
    const poolId = await create(await configured({ numberOfAttempts: 2 }));
    const issued = await ballot(device, poolId);
    await server.done('/verified-authenticator/remove', { deviceIdentifier: device.deviceIdentifier }, ada.token);
    expect(await pool(poolId)).toMatchObject({ status: 'timed_out', pending: 0, reason: 'poll.timed_out' });
    expect((await device.got('ballot.voided')).content).toMatchObject({
      ballotId: issued.content.ballotId,
      reason: 'authenticator_removed',
    });
    await untilPool(poolId, { nextPoolId: null });
    const [refused] = await until(async () => {
      const found = await events(`type = 'poll.refused' and data->>'chainId' = $1`, poolId);
      return found.length > 0 && found;
    }, 'the poll to be refused');
    expect(refused!.data).toMatchObject({ reason: 'voting.no_authenticators', gated: false });
  });
});

describe('authenticators that go', () => {
  test('lose their ballots, keep their votes, and the rest is counted anew', async () => {
    const [first, second, third] = await authenticators(3);
    const poolId = await create(await configured({ strategy: 'consensus', quorumSize: 2 }));
    first!.vote(await ballot(first!, poolId), 'yes');
    await ballot(second!, poolId);
    await ballot(third!, poolId);
    await untilPool(poolId, { yes: 1 });
    for (const device of [first!, second!])
      await server.done('/verified-authenticator/remove', { deviceIdentifier: device.deviceIdentifier }, ada.token);
    expect(await pool(poolId)).toMatchObject({ status: 'open', yes: 1, pending: 1, ballotsIssued: 3 });
    third!.vote(await ballot(third!, poolId), 'yes');
    expect(await untilPool(poolId, { status: 'succeeded' })).toMatchObject({ yes: 2, ballotsIssued: 3 });
  });

  test('may be devices that are removed', async () => {
    const [first] = await authenticators(2);
    const poolId = await create(await configured());
    await ballot(first!, poolId);
    const { commandId } = await server.done('/device/remove', { deviceIdentifier: first!.deviceIdentifier }, ada.token);
    expect(await pool(poolId)).toMatchObject({ status: 'open', pending: 1 });
    const order = await events(
      `type = 'ballot.voided' and data->>'poolId' = $1 or type = 'command.succeeded' and data->>'commandId' = $2`,
      poolId,
      commandId,
    );
    expect(order.map(({ type }) => type)).toEqual(['ballot.voided', 'command.succeeded']);
    const voided = (await ofPoll(poolId)).filter(({ type }) => type === 'ballot.voided');
    expect(voided.map(({ data }) => [data['deviceIdentifier'], data['reason']])).toEqual([
      [first!.deviceIdentifier, 'authenticator_removed'],
    ]);
    await server.done('/voting/cancel-pool', { poolId }, ada.token);
  });
});

describe('cancelling', () => {
  test('ends a poll for good, without alert', async () => {
    const device = await authenticator();
    const poolId = await create(await configured({ numberOfAttempts: 3 }));
    const issued = await ballot(device, poolId);
    expect(await refusal('/voting/cancel-pool', { poolId }, eve.token)).toBe('poll.not_found');
    expect(await refusal('/voting/cancel-pool', { poolId: uuid7() })).toBe('poll.not_found');
    expect((await server.done('/voting/cancel-pool', { poolId }, ada.token)).body).toEqual({ poolId });
    expect(await pool(poolId)).toMatchObject({
      status: 'cancelled',
      reason: 'poll.cancelled',
      pending: 0,
      nextPoolId: null,
    });
    expect((await device.got('ballot.voided')).content.reason).toBe('poll_cancelled');
    expect(await fault(device, device.vote(issued, 'yes'))).toBe('ballot.voided');
    expect(await refusal('/voting/cancel-pool', { poolId })).toBe('poll.not_open');
    expect(await typesOf(poolId)).toEqual([
      'poll.created',
      'ballot.issued',
      'poll.resolved',
      'ballot.voided',
      'ballot.vote_discarded',
    ]);
    expect((await server.post('/voting/cancel-pool', { json: { poolId: 'x' }, token: ada.token })).status).toBe(422);
    expect(await alerts(poolId)).toEqual([]);
  });
});

/** J4: none of these votes may change the count, and each is recorded. */
describe('a vote that is none', () => {
  test('counts once, however often it comes', async () => {
    const [first] = await authenticators(2);
    const poolId = await create(await configured());
    const issued = await ballot(first!, poolId);
    const id = first!.vote(issued, 'yes');
    await untilPool(poolId, { yes: 1 });
    expect(await fault(first!, first!.vote(issued, 'yes'))).toBe('ballot.duplicate');
    expect(await fault(first!, first!.vote(issued, 'no'))).toBe('ballot.duplicate');
    first!.vote(issued, 'no', { envelope: { id } });
    await until(async () => first!.acks.has(id), 'the vote to be acknowledged');
    expect(await pool(poolId)).toMatchObject({ yes: 1, no: 0, pending: 1, status: 'open' });
    const discarded = (await ofPoll(poolId)).filter(({ type }) => type === 'ballot.vote_discarded');
    expect(discarded.map(({ data }) => data['reason'])).toEqual(['duplicate', 'duplicate']);
    await server.done('/voting/cancel-pool', { poolId }, ada.token);
  });

  test('is refused with a statement that is missing, forged, or of something else', async () => {
    const [first, second] = await authenticators(2);
    const poolId = await create(await configured());
    const another = await create(await configured());
    const issued = await ballot(first!, poolId);
    const foreign = await ballot(second!, poolId);
    const elsewhere = await ballot(first!, another);
    const sent = async (change: object, content: object = {}) =>
      fault(first!, first!.vote(issued, 'yes', { change: { ...statementOf(first!, issued, change), ...content } }));

    expect(await sent({}, { statement: null })).toBe('device.signature_invalid');
    const stranger = generateEd25519().privateKey;
    const forged = signStatement(stranger, 'symbolon-vote+jwt', claimsOf(first!, issued));
    expect(await sent({}, { statement: forged })).toBe('device.signature_invalid');
    const [head, claims, signature] = String(statementOf(first!, issued, {}).statement).split('.');
    expect(await sent({}, { statement: `${head}.${claims}.${flipped(signature!)}` })).toBe('device.signature_invalid');
    expect(await sent({}, { statement: `${head}. ${claims}.${signature}` })).toBe('device.envelope_invalid');
    expect(await sent({}, { statement: issued.content.statement })).toBe('device.envelope_invalid');
    const others: object[] = [
      { iss: second!.deviceIdentifier },
      { aud: 'https://example.org' },
      { poll: another },
      { ballot: foreign.content.ballotId },
      { ballotHash: hash(foreign.content.statement) },
      { op: 'A'.repeat(43) },
      { nonce: 'A'.repeat(22) },
      { vote: 'no' },
      { vote: 'maybe' },
      { iat: 1 },
      { iat: 'now' },
    ];
    for (const change of others) expect([change, await sent(change)]).toEqual([change, 'device.envelope_invalid']);
    // A whole statement of another ballot of its own.
    expect(await sent({}, { statement: statementOf(first!, elsewhere, {}).statement })).toBe('device.envelope_invalid');
    // The choice is changed beside the statement.
    expect(await sent({}, { vote: 'no' })).toBe('device.envelope_invalid');

    expect(await pool(poolId)).toMatchObject({ yes: 0, no: 0, pending: 2, status: 'open' });
    const rejected = await events(
      `stream = $1 and type = 'device.message_rejected'`,
      `device-${first!.deviceIdentifier}`,
    );
    expect(rejected).toHaveLength(5 + others.length + 2);
    expect(rejected.filter(({ data }) => data['reason'] === 'device.signature_invalid')).toHaveLength(3);
    const raised = await alerts(poolId);
    expect(raised.map(({ data }) => [data['kind'], data['deviceIdentifier']])).toEqual(
      Array(3).fill(['signature_invalid', first!.deviceIdentifier]),
    );
    // The ballot is still open to a true vote.
    first!.vote(issued, 'yes');
    await untilPool(poolId, { yes: 1 });
  });

  test('is discarded from a device that has no such ballot', async () => {
    const [first, second] = await authenticators(2);
    const poolId = await create(await configured());
    const foreign = await ballot(second!, poolId);
    expect(await fault(first!, first!.vote(foreign, 'yes'))).toBe('ballot.unknown');
    const nowhere = { ...foreign, content: { ...foreign.content, ballotId: uuid7() } };
    expect(await fault(first!, first!.vote(nowhere, 'yes'))).toBe('ballot.unknown');
    const discarded = await events(
      `type = 'ballot.vote_discarded' and data->>'deviceIdentifier' = $1`,
      first!.deviceIdentifier,
    );
    expect(discarded.map(({ data }) => data['reason'])).toEqual(['unknown', 'unknown']);
    expect(await pool(poolId)).toMatchObject({ yes: 0, pending: 2 });
  });

  test('is discarded from an authenticator that was removed, even before its ballot is void', async () => {
    const [first] = await authenticators(2);
    const poolId = await create(await configured());
    const issued = await ballot(first!, poolId);
    await server.done('/verified-authenticator/remove', { deviceIdentifier: first!.deviceIdentifier }, ada.token);
    expect(await fault(first!, first!.vote(issued, 'yes'))).toBe('ballot.voided');
    expect(await pool(poolId)).toMatchObject({ yes: 0, pending: 1 });
  });

  test('needs no statement from a device without signing key', async () => {
    const device = await authenticator(ada, { signing: false });
    const poolId = await create(await configured());
    device.vote(await ballot(device, poolId), 'yes', { change: { statement: 'of no account' } });
    await untilPool(poolId, { status: 'succeeded', yes: 1 });
    const cast = (await ofPoll(poolId)).find(({ type }) => type === 'ballot.cast')!;
    expect(cast.data).toMatchObject({ signed: false, statement: null });
    expect((await ofPoll(poolId)).at(-1)!.data['votes']).toEqual([
      { ballotId: cast.data['ballotId'], statementHash: null },
    ]);
  });

  const hash = (text: string) => Buffer.from(sha256Hex(text), 'hex').toString('base64url');
  const flipped = (part: string) => (part.startsWith('A') ? 'B' : 'A') + part.slice(1);
  const votedAt = new Date(Math.floor(Date.now() / 1000) * 1000).toISOString().replace('Z', '+00:00');

  function claimsOf(device: TestDevice, { content }: Taken): Record<string, unknown> {
    const issued = JSON.parse(Buffer.from(content.statement.split('.')[1], 'base64url').toString());
    return {
      ...{ iss: device.deviceIdentifier, aud: issued.iss, poll: issued.poll, ballot: issued.jti },
      ...{ ballotHash: hash(content.statement), op: issued.op, vote: 'yes', nonce: issued.nonce },
      iat: Date.parse(votedAt) / 1000,
    };
  }

  function statementOf(device: TestDevice, taken: Taken, change: object) {
    return { votedAt, statement: device.state({ ...claimsOf(device, taken), ...change }) };
  }
});
