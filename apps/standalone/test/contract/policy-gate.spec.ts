import { type Caller, Commands } from '@symbolon/command-log';
import type { VotingConfigurationRegistered } from '@symbolon/contracts';
import { operationDigest, PersonalBoxes, uuid7 } from '@symbolon/crypto';
import { type Actor, EventStore, type Recorded } from '@symbolon/kernel';
import { ProjectionRunner } from '@symbolon/projection';
import { ScriptedVoting, TestDevice, type TestProfile, TestServer, TestSocket, withoutVoting } from '@symbolon/testing';

let server: TestServer;
let voting: ScriptedVoting;
let commands: Commands;
let ada: TestProfile;

beforeAll(async () => {
  server = await TestServer.start({ contexts: withoutVoting });
  voting = new ScriptedVoting(server);
  commands = server.served.app.get(Commands);
});
beforeEach(async () => {
  ada = await server.profile();
  await voting.authenticator(ada.profileId);
});
afterAll(() => server.stop());

const changes = { policyTemplateId: 'data_change', applyingEventIds: ['data_token.space_reserved'] };

async function policy(fields: object = {}): Promise<string> {
  const { id } = (await server.done('/policy/register', { ...changes, ...fields }, ada.token)).body;
  await server.done('/policy/activate', { policyId: id }, ada.token);
  return id;
}

async function configuration(fields: Partial<VotingConfigurationRegistered['data']>): Promise<string> {
  const id = uuid7();
  const data = {
    ...{ id, profileId: ada.profileId, name: id, strategy: 'affirmative', strategyParams: null, countRequired: null },
    ...{ timeLimit: 60, percentageRequired: null, deviceIdentifiers: [], quorumSize: null, numberOfAttempts: null },
    ...{ category: null },
    ...fields,
  } as VotingConfigurationRegistered['data'];
  await voting.set(ada.profileId, { type: 'voting_configuration.registered', version: 1, data });
  return id;
}

async function reserve(fields: object = {}): Promise<string> {
  const { status, body } = await server.post('/data-token/reserve-token-space', {
    json: { context: 'invoices/2026', ...fields },
    token: ada.token,
  });
  expect([status, body.status]).toEqual([202, 'started']);
  return body.commandId;
}

/** The status object now, everything that was told until now taken in. */
async function status(commandId: string) {
  const { app } = server.served;
  await app.get(ProjectionRunner).passed(await app.get(EventStore).tail());
  return server.get(`/request-status/${commandId}`, { token: ada.token });
}

const ended = async (commandId: string) =>
  (await server.get(`/request-status/${commandId}`, { token: ada.token, headers: { prefer: 'wait=30' } })).body;
const pending = (commandId: string) => voting.seen('command', `command-${commandId}`, 'command.pending_vote');
const eventsOf = (commandId: string) => voting.types(`command-${commandId}`);
const gateOf = (commandId: string) => voting.types(`gate-${commandId}`);

/** A command of this type as an endpoint would submit it; types without handler never end. */
async function submit(
  type: string,
  input: object,
  how: { actor?: Actor; ip?: string | null; operation?: string } = {},
) {
  const { profileId } = ada;
  const { actor = { profileId, kind: 'user' }, ip = '192.0.2.7', operation } = how;
  const caller: Caller = {
    actor,
    client: { ip, userAgent: 'curl/8.5', location: 'Berlin' },
    profileId: actor.kind === 'device' ? actor.profileId : profileId,
    tokenId: uuid7(),
    idempotencyKey: null,
    answered: Promise.resolve(),
  };
  const submitted = await commands.submit({ type, caller, input, ...(operation ? { operation } : {}) });
  return submitted.commandId;
}

/** How policies decide about such a command. */
const clearance = async (...submission: Parameters<typeof submit>) =>
  commands.clearance(await submit(...submission), 30);

/** Alters stored events, as somebody with the database in his hands could. */
async function tamper(sql: string, values: unknown[]): Promise<void> {
  const { pool } = server.database;
  await pool.query('alter table es.event disable trigger event_is_final');
  expect((await pool.query(sql, values)).rowCount).toBe(1);
  await pool.query('alter table es.event enable trigger event_is_final');
}

describe('a command that a policy matches', () => {
  test('waits for the vote, and runs once it has succeeded', async () => {
    const id = await policy();
    const progress = await TestSocket.join(server.url, ada.token, { progress: true });
    const quiet = await TestSocket.join(server.url, ada.token);
    const commandId = await reserve();
    const gate = await voting.opened(commandId);
    await pending(commandId);
    // Nobody is asked yet.
    expect((await status(commandId)).body).toMatchObject({ status: 'started', command_status: 1 });
    const poolId = await voting.poll(gate);

    const waiting = await status(commandId);
    expect(waiting.status).toBe(202);
    expect(waiting.body).toMatchObject({
      ...{ commandId, status: 'pending_vote', command_status: 1, reason: null, body: null, poolId },
    });
    expect((await server.post(`/request-status/${commandId}`)).body).toBe('started');
    const told = await progress.until(({ data }) => data?.id === commandId && data.body === 'pending_vote');
    expect(told.data).toEqual({
      type: 'X-DPT-CAB-ID',
      id: commandId,
      command_status: 1,
      body: 'pending_vote',
    });
    expect(await eventsOf(commandId)).toEqual(['command.accepted', 'command.pending_vote']);

    await voting.resolve(gate, 'succeeded');
    expect(await ended(commandId)).toMatchObject({
      ...{ status: 'succeeded', command_status: 2, reason: null, poolId, body: { expiresAt: expect.any(String) } },
    });
    expect(await eventsOf(commandId)).toEqual([
      'command.accepted',
      'command.pending_vote',
      'command.cleared',
      'command.succeeded',
    ]);
    expect(await gateOf(commandId)).toEqual([
      'policy.gate_opened',
      'policy.matched',
      'policy.chain_settled',
      'policy.gate_released',
    ]);
    const matched = await voting.seen('gate', `gate-${commandId}`, 'policy.matched');
    expect(matched.data).toEqual({ id, commandId, policyEventId: 'data_token.space_reserved', poolId });
    await quiet.end(commandId);
    expect(quiet.frames.filter(({ data }) => data?.id === commandId)).toHaveLength(1);
    await Promise.all([progress.close(), quiet.close()]);
  });

  test.each([
    ['rejected', 'poll.rejected'],
    ['failed_quorum', 'poll.quorum_not_met'],
    ['timed_out', 'poll.timed_out'],
    ['cancelled', 'poll.cancelled'],
  ] as const)('is rejected when the poll is %s', async (outcome, reason) => {
    await policy();
    const commandId = await reserve();
    await voting.vote(commandId, outcome);
    expect(await ended(commandId)).toMatchObject({ status: 'rejected', command_status: 3, reason });
    expect(await eventsOf(commandId)).toEqual(['command.accepted', 'command.pending_vote', 'command.rejected']);
  });

  test.each(['voting.no_authenticators', 'voting.quorum_unreachable'] as const)(
    'is rejected when the poll cannot be held: %s',
    async (reason) => {
      await policy();
      const commandId = await reserve();
      const { data } = await voting.opened(commandId);
      const { poolId } = data.chains[0]!;
      const refused = { poolId, chainId: poolId, profileId: ada.profileId, commandId, gated: true, reason };
      await voting.append(`poll-${poolId}`, { type: 'poll.refused', version: 1, data: refused });
      const end = await ended(commandId);
      expect(end).toMatchObject({ status: 'rejected', reason });
      expect(end.poolId).toBeUndefined();
    },
  );

  test('shows the poll of a later attempt, and waits for the last', async () => {
    await policy();
    const commandId = await reserve();
    const gate = await voting.opened(commandId);
    await pending(commandId);
    const second = uuid7();
    await voting.poll(gate);
    await voting.resolve(gate, 'timed_out', 0, undefined, second);
    await voting.poll(gate, 0, 2, second);
    expect((await status(commandId)).body).toMatchObject({ status: 'pending_vote', poolId: second });
    await voting.resolve(gate, 'succeeded', 0, second);
    expect(await ended(commandId)).toMatchObject({ status: 'succeeded', poolId: second });
  });

  test('is answered within Prefer: wait when the vote ends in time', async () => {
    await policy();
    const answered = server.post('/data-token/reserve-token-space', {
      json: { context: 'a' },
      token: ada.token,
      wait: 30,
    });
    const gate = await voting.seen('gate', `gate-${await newestCommand()}`, 'policy.gate_opened');
    await voting.vote((gate.data as { commandId: string }).commandId, 'succeeded');
    expect((await answered).body.status).toBe('succeeded');
  });

  test('repeats its answer under an Idempotency-Key, and is voted on once', async () => {
    await policy();
    const call = () =>
      server.post('/data-token/reserve-token-space', {
        json: { context: 'a' },
        token: ada.token,
        headers: { 'idempotency-key': 'once' },
      });
    const [first, second] = await Promise.all([call(), call()]);
    expect(second.body).toEqual(first.body);
    await voting.vote(first.body.commandId, 'succeeded');
    expect(await ended(first.body.commandId)).toMatchObject({ status: 'succeeded' });
    expect((await call()).body).toEqual(first.body);
  });

  test('is judged by the policies that were there when it was accepted', async () => {
    const id = await policy();
    const commandId = await reserve();
    await voting.opened(commandId);
    await server.done('/policy/deactivate', { policyId: id }, ada.token);
    const free = await server.done('/data-token/reserve-token-space', { context: 'a' }, ada.token);
    expect(await gateOf(free.commandId)).toEqual([]);
    await voting.vote(commandId, 'rejected');
    expect(await ended(commandId)).toMatchObject({ status: 'rejected', reason: 'poll.rejected' });
  });

  test('goes on where it stood after a restart', async () => {
    const own = await TestServer.start({ contexts: withoutVoting });
    const before = new ScriptedVoting(own);
    const eve = await own.profile();
    await before.authenticator(eve.profileId);
    const { id } = (await own.done('/policy/register', changes, eve.token)).body;
    await own.done('/policy/activate', { policyId: id }, eve.token);
    const json = { context: 'a' };
    const { commandId } = (await own.post('/data-token/reserve-token-space', { json, token: eve.token })).body;
    const gate = await before.opened(commandId);
    await own.stop({ keep: true });
    const again = await TestServer.start({ contexts: withoutVoting, on: own });
    const after = new ScriptedVoting(again);
    await after.poll(gate);
    await after.resolve(gate, 'succeeded');
    const { body } = await again.get(`/request-status/${commandId}`, {
      token: eve.token,
      headers: { prefer: 'wait=30' },
    });
    expect(body.status).toBe('succeeded');
    expect(await after.types(`command-${commandId}`)).toHaveLength(4);
    await again.stop();
  });

  async function newestCommand(): Promise<string> {
    for (;;) {
      const { rows } = await server.database.pool.query(
        `select data->>'commandId' as id from es.event where type = 'command.accepted'
          and data->'held'->>'profileId' = $1 order by position desc limit 1`,
        [ada.profileId],
      );
      if (rows[0]) return rows[0].id;
    }
  }
});

describe('a command that no policy matches', () => {
  test('runs at once, without any trace of policies, where none is active', async () => {
    await server.done('/policy/register', changes, ada.token);
    const { commandId } = await server.done('/data-token/reserve-token-space', { context: 'a' }, ada.token);
    expect(await eventsOf(commandId)).toEqual(['command.accepted', 'command.cleared', 'command.succeeded']);
    expect(await gateOf(commandId)).toEqual([]);
  });

  test('runs without a vote where an active one names the operation, but its configuration does not hold', async () => {
    await policy({ configuration: { context: 'secrets/*' } });
    const { commandId, poolId } = await server.done('/data-token/reserve-token-space', { context: 'a' }, ada.token);
    expect(poolId).toBeUndefined();
    expect(await gateOf(commandId)).toEqual(['policy.gate_waived']);
    expect(await eventsOf(commandId)).toEqual(['command.accepted', 'command.cleared', 'command.succeeded']);
  });

  test("is not held by somebody else's policies", async () => {
    await policy();
    const eve = await server.profile();
    await server.done('/data-token/reserve-token-space', { context: 'a' }, eve.token);
  });

  test('of a kind that cannot be held is never looked at', async () => {
    await policy({ policyTemplateId: 'security_settings', applyingEventIds: ['policy.activated'] });
    const { commandId } = await server.done('/policy/register', changes, ada.token);
    expect(await eventsOf(commandId)).toEqual(['command.accepted', 'command.cleared', 'command.succeeded']);
  });
});

describe('several policies', () => {
  test('that resolve to the same configuration share one poll', async () => {
    const ids = [await policy(), await policy({ configuration: { context: 'invoices/*' } })];
    await policy({ configuration: { context: 'elsewhere' } });
    const commandId = await reserve();
    const { data } = await voting.vote(commandId, 'succeeded');
    expect(data.chains).toMatchObject([{ policyIds: ids }]);
    expect((await pending(commandId)).data).toEqual({ commandId, poolIds: [data.chains[0]!.poolId], policyIds: ids });
    expect((await gateOf(commandId)).filter((type) => type === 'policy.matched')).toHaveLength(2);
    expect(await ended(commandId)).toMatchObject({ status: 'succeeded' });
  });

  test('with different ones are all asked at once, and all must hold', async () => {
    await policy();
    await policy({ votingConfigurationId: await configuration({ strategy: 'unanimous', timeLimit: 30 }) });
    const commandId = await reserve();
    const gate = await voting.opened(commandId);
    expect(gate.data.chains.map(({ rules }) => rules)).toEqual([
      {
        ...{ strategy: 'affirmative', strategyParams: null, countRequired: null },
        ...{ quorumSize: 1, timeLimit: 300, maxAttempts: 1, deviceIdentifiers: null },
      },
      {
        ...{ strategy: 'unanimous', strategyParams: null, countRequired: null },
        ...{ quorumSize: 1, timeLimit: 30, maxAttempts: 1, deviceIdentifiers: null },
      },
    ]);
    for (const chain of [0, 1]) await voting.poll(gate, chain);
    await pending(commandId);
    await voting.resolve(gate, 'succeeded', 1);
    await voting.seen('gate', `gate-${commandId}`, 'policy.chain_settled');
    expect((await status(commandId)).body).toMatchObject({
      status: 'pending_vote',
      poolId: gate.data.chains[0]!.poolId,
    });
    await voting.resolve(gate, 'succeeded', 0);
    expect(await ended(commandId)).toMatchObject({ status: 'succeeded' });
  });

  test.each([0, 1])('end with one failure, of chain %i, and the status names one poll for good', async (failed) => {
    await policy();
    await policy({ votingConfigurationId: await configuration({}) });
    const commandId = await reserve();
    const gate = await voting.opened(commandId);
    for (const chain of [0, 1]) await voting.poll(gate, chain);
    await voting.resolve(gate, 'rejected', failed);
    await voting.seen('gate', `gate-${commandId}`, 'policy.gate_denied');
    await voting.resolve(gate, 'cancelled', 1 - failed);
    const { poolId } = await ended(commandId);
    expect(gate.data.chains.map((chain) => chain.poolId)).toContain(poolId);
    // Late, after the end: the status does not name it.
    const late = await voting.poll(gate, 1 - failed, 2, uuid7());
    await voting.resolve(gate, 'cancelled', 1 - failed, late);
    expect((await status(commandId)).body).toMatchObject({ status: 'rejected', reason: 'poll.rejected', poolId });
  });

  test('end with the first failure, and the other polls are to be cancelled', async () => {
    await policy();
    await policy({ votingConfigurationId: await configuration({}) });
    const commandId = await reserve();
    const gate = await voting.opened(commandId);
    const [first, second] = gate.data.chains.map(({ poolId }) => poolId);
    for (const chain of [0, 1]) await voting.poll(gate, chain);
    await voting.resolve(gate, 'rejected', 0);
    const denied = await voting.seen('gate', `gate-${commandId}`, 'policy.gate_denied');
    expect(denied.data).toMatchObject({ reason: 'poll.rejected', cancel: [second] });
    // Who sees the end sees the cancellation as well.
    expect((await status(commandId)).body).toMatchObject({ status: 'pending_vote' });
    await voting.resolve(gate, 'cancelled', 1);
    expect(await ended(commandId)).toMatchObject({ status: 'rejected', reason: 'poll.rejected' });
    expect(first).not.toBe(second);
  });

  test('take the configuration of the category, else the settings of the profile', async () => {
    const { profileId } = ada;
    await voting.set(
      profileId,
      { type: 'voting.time_limit_set', version: 1, data: { profileId, timeLimit: 77 } },
      { type: 'voting.max_attempts_set', version: 1, data: { profileId, numberOfAttempts: 3 } },
    );
    await policy();
    const settings = (await voting.opened(await reserve())).data.chains[0]!.rules;
    expect(settings).toMatchObject({ strategy: 'affirmative', timeLimit: 77, maxAttempts: 3 });
    await configuration({ category: 'data', strategy: 'consensus', timeLimit: 88 });
    const bound = (await voting.opened(await reserve())).data.chains[0]!.rules;
    expect(bound).toMatchObject({ strategy: 'consensus', timeLimit: 88, maxAttempts: 3 });
  });
});

describe('what the vote is about', () => {
  test('is told to people by title, question and the attributes of the template', async () => {
    await policy();
    const { body } = await server.post('/data-token/reserve-token-space', {
      json: {
        context: 'invoices/2026',
        meta: { information_security_risk: { classification: 'secret', label: 'l', handling: 'h' } },
      },
      token: ada.token,
      headers: { 'x-symbolon-location': 'Berlin', 'user-agent': 'curl/8.5' },
    });
    const { personal, data } = await voting.opened(body.commandId);
    expect(data).toMatchObject({
      profileId: ada.profileId,
      commandType: 'data-token/reserve-token-space',
      policyEventId: 'data_token.space_reserved',
    });
    expect(personal).toMatchObject({
      title: 'Reserve token space',
      question: `Allow ${ada.username} to reserve a data token for "invoices/2026"?`,
    });
    expect(personal.context).toEqual({
      requester: { profileId: ada.profileId, username: ada.username },
      application: null,
      ip: '127.0.0.1',
      userAgent: 'curl/8.5',
      location: 'Berlin',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/),
      dataContext: 'invoices/2026',
      classification: null,
      label: null,
      handling: null,
      device: null,
      nonce: null,
    });
    const stored = await voting.seen('gate', `gate-${body.commandId}`, 'policy.gate_opened');
    expect(JSON.stringify(stored.data)).not.toMatch(/invoices|Berlin|curl/);
  });

  test('is the one command: type, id and stored input, hidden by a nonce', async () => {
    await policy();
    const commandId = await reserve();
    const { data, personal } = await voting.opened(commandId);
    const accepted = await voting.seen('command', `command-${commandId}`, 'command.accepted');
    const fields = await server.served.app.get(PersonalBoxes).open(accepted, ada.profileId);
    expect(Buffer.from(personal.opNonce, 'base64url')).toHaveLength(16);
    expect(data.op).toBe(
      operationDigest('data-token/reserve-token-space', commandId, fields?.['input'], personal.opNonce),
    );
  });

  test('names the device and the classification where the template shows them', async () => {
    await policy({ policyTemplateId: 'device_management', applyingEventIds: ['device.removed'] });
    const device = await TestDevice.of(server, ada, { storage: false });
    const { deviceIdentifier } = device;
    const { personal } = await voting.opened(await submit('device/remove', { deviceIdentifier }));
    expect(personal.question).toBe(`Allow ${ada.username} to remove the device "attic server"?`);
    expect(personal.context).toMatchObject({
      device: { deviceIdentifier, name: 'attic server' },
      location: 'Berlin',
      dataContext: null,
    });
  });
});

describe('a vote holds for one operation', () => {
  test('another digest than that of the gate is not run', async () => {
    await policy();
    const commandId = await reserve();
    await voting.opened(commandId);
    await pending(commandId);
    await tamper(
      `update es.event set data = jsonb_set(data, '{op}', '"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"')
        where stream = $1 and type = 'policy.gate_opened'`,
      [`gate-${commandId}`],
    );
    await voting.vote(commandId, 'succeeded');
    expect(await ended(commandId)).toMatchObject({ status: 'rejected', reason: 'internal_error' });
    expect(await reservedBy(commandId)).toBe(0);
  });

  test('another type than the one that was voted on is not run', async () => {
    await policy();
    const commandId = await reserve();
    await voting.opened(commandId);
    await tamper(
      `update es.event set data = jsonb_set(data, '{commandType}', '"data-token/delete-data"')
        where stream = $1 and type = 'command.accepted'`,
      [`command-${commandId}`],
    );
    await voting.vote(commandId, 'succeeded');
    expect(await ended(commandId)).toMatchObject({ status: 'rejected', reason: 'internal_error' });
  });

  test('a held command that is cleared past its gate is not run', async () => {
    await policy();
    const commandId = await reserve();
    await voting.opened(commandId);
    await voting.append(`command-${commandId}`, { type: 'command.cleared', version: 1, data: { commandId } });
    expect(await ended(commandId)).toMatchObject({ status: 'rejected', reason: 'internal_error' });
    expect(await reservedBy(commandId)).toBe(0);
  });

  async function reservedBy(commandId: string): Promise<number> {
    const { rows } = await server.database.pool.query(
      `select count(*)::int as n from es.event where type = 'data_token.space_reserved' and meta->>'commandId' = $1`,
      [commandId],
    );
    return rows[0].n;
  }
});

describe('what cannot be evaluated is rejected:', () => {
  test('a policy whose configuration cannot be read', async () => {
    const id = await policy({ configuration: { context: 'invoices/*' } });
    await tamper(
      `update es.event set data = jsonb_set(data, array['sealed', $2], '"AAAA"')
        where type = 'policy.registered' and data->>'id' = $1`,
      [id, ada.profileId],
    );
    const commandId = await reserve();
    expect(await ended(commandId)).toMatchObject({ status: 'rejected', reason: 'internal_error' });
    expect(await gateOf(commandId)).toEqual(['policy.gate_denied']);
  });

  test('a policy whose voting configuration is gone', async () => {
    const id = await configuration({});
    await policy({ votingConfigurationId: id });
    await voting.set(ada.profileId, { type: 'voting_configuration.deleted', version: 1, data: { id, name: id } });
    expect(await ended(await reserve())).toMatchObject({ status: 'rejected', reason: 'internal_error' });
  });

  test('a token that is not there', async () => {
    await policy({ policyTemplateId: 'data_change', applyingEventIds: ['data_token.deleted'] });
    const { body } = await server.post('/data-token/delete-data', {
      json: { token: `dt_${'A'.repeat(43)}` },
      token: ada.token,
      wait: 30,
    });
    expect(body).toMatchObject({ status: 'rejected', reason: 'data_token.not_found' });
  });
});

test('a batch that an activation has overtaken is rejected', async () => {
  await policy({ policyTemplateId: 'data_access', applyingEventIds: ['data_token.data_requested'] });
  const input = { begunAt: '2026-02-21T15:33:44.123+00:00', sealed: false, items: [{ tokenId: uuid7() }] };
  const commandId = await submit('data-token/batch-request', input, { operation: 'data_token.data_requested' });
  expect(await ended(commandId)).toMatchObject({ status: 'rejected', reason: 'policy.asks_each' });
});

describe('the keys of a configuration', () => {
  const data = {
    policyTemplateId: 'data_change',
    applyingEventIds: ['data_token.data_exchanged', 'data_token.deleted'],
  };

  /** A token with a classification, and what a storage device holds of it. */
  async function token(context: string, classification: string) {
    const { commandId } = await server.done(
      '/data-token/reserve-token-space',
      { context, meta: { information_security_risk: { classification, label: 'red', handling: 'by hand' } } },
      ada.token,
    );
    const { body } = await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, { token: ada.token });
    return body.token as string;
  }
  const exchange = (temporaryTokenSpace: string, size: number) =>
    server.post('/data-token/exchange-data-for-token', {
      json: { temporaryTokenSpace, data: Buffer.alloc(size, 7).toString('base64') },
      token: ada.token,
      wait: 30,
    });

  test('context, minimumSize: data of the token, and what is handed in', async () => {
    const device = await TestDevice.of(server, ada);
    await device.connect();
    await policy({ ...data, configuration: { context: 'invoices/*', minimumSize: 100 } });
    const small = await token('invoices/1', 'internal');
    expect((await exchange(small, 99)).body.status).toBe('succeeded');
    const elsewhere = await token('letters', 'internal');
    expect((await exchange(elsewhere, 100)).body.status).toBe('succeeded');
    const large = await token('invoices/2', 'internal');
    const json = { temporaryTokenSpace: large, data: Buffer.alloc(100, 7).toString('base64') };
    const { body } = await server.post('/data-token/exchange-data-for-token', { json, token: ada.token });
    await voting.vote(body.commandId, 'succeeded');
    expect(await ended(body.commandId)).toMatchObject({ status: 'succeeded', body: { size: 100 } });

    // Deleting the large one is held, deleting the small one is not.
    await server.done('/data-token/delete-data', { token: small }, ada.token);
    const deleting = await server.post('/data-token/delete-data', { json: { token: large }, token: ada.token });
    await voting.vote(deleting.body.commandId, 'rejected');
    expect(await ended(deleting.body.commandId)).toMatchObject({ reason: 'poll.rejected' });
    await device.leave();
  });

  test('classification: the old or the new values', async () => {
    const device = await TestDevice.of(server, ada);
    await device.connect();
    const plain = await token('a', 'internal');
    const secret = await token('b', 'secret');
    for (const one of [plain, secret]) expect((await exchange(one, 5)).body.status).toBe('succeeded');
    await policy({
      policyTemplateId: 'classification',
      applyingEventIds: ['data_token.security_meta_configured', 'data_token.data_requested'],
      configuration: { classification: ['secret', 'top'], label: 'red' },
    });
    const path = '/data-token/configure-information-security-risk-meta';
    const reclassify = async (one: string, classification: string) => {
      const json = { token: one, classification, label: 'red', handling: 'h' };
      return (await server.post(path, { json, token: ada.token })).body.commandId as string;
    };
    expect(await ended(await reclassify(plain, 'public'))).toMatchObject({ status: 'succeeded' });
    const upgraded = await reclassify(plain, 'top');
    const { personal } = await voting.vote(upgraded, 'succeeded');
    expect(personal.question).toBe(`Allow ${ada.username} to change the classification of data in "a" to "top"?`);
    expect(personal.context).toMatchObject({ classification: 'public', label: 'red', dataContext: 'a' });
    expect(await ended(upgraded)).toMatchObject({ status: 'succeeded' });
    await voting.vote(await reclassify(secret, 'public'), 'rejected');
    const reading = await server.post('/data-token/request-data', { json: { token: plain }, token: ada.token });
    await voting.vote(reading.body.commandId, 'succeeded');
    expect(await ended(reading.body.commandId)).toMatchObject({ status: 'succeeded' });
    await device.leave();
  });

  test('exceptAddresses: where the client is', async () => {
    const authentication = { policyTemplateId: 'authentication', applyingEventIds: ['profile.authenticate'] };
    await policy({ ...authentication, configuration: { exceptAddresses: ['192.0.2.0/24', '2001:db8::/32'] } });
    const from = (ip: string | null) => clearance('profile/authenticate', {}, { ip });
    expect(await from('192.0.2.200')).toBe('cleared');
    expect(await from('2001:db8::7')).toBe('cleared');
    expect(await from('192.0.3.1')).toBe('pending_vote');
    expect(await from(null)).toBe('pending_vote');
  });

  test('onlyNewAddress: no sign-in from there within 90 days', async () => {
    const authentication = { policyTemplateId: 'authentication', applyingEventIds: ['profile.authenticate'] };
    await policy({ ...authentication, configuration: { onlyNewAddress: true } });
    const from = (ip: string | null) => clearance('profile/authenticate', {}, { ip });
    // The profile of this test has signed in from here.
    expect(await from('127.0.0.1')).toBe('cleared');
    expect(await from('192.0.2.1')).toBe('pending_vote');
    expect(await from(null)).toBe('pending_vote');
    const { rowCount } = await server.database.pool.query(
      `update policy.sign_in set last_at = last_at - interval '90 days' where profile_id = $1`,
      [ada.profileId],
    );
    expect(rowCount).toBe(1);
    expect(await from('127.0.0.1')).toBe('pending_vote');
    const { rows } = await server.database.pool.query('select * from policy.sign_in');
    expect(JSON.stringify(rows)).not.toContain('127.0.0.1');
  });

  test('applicationId: through which application, or for which', async () => {
    const [mine, other] = [uuid7(), uuid7()];
    await policy({ configuration: { applicationId: [mine] } });
    const through = (applicationId: string) =>
      clearance(
        'data-token/reserve-token-space',
        { tokenId: uuid7(), context: 'a', ttlMinutes: 5, meta: {} },
        { actor: { profileId: ada.profileId, kind: 'application', applicationId } },
      );
    expect(await through(mine)).toBe('pending_vote');
    expect(await through(other)).toBe('cleared');
    expect(await clearance('data-token/reserve-token-space', { context: 'a', meta: {} })).toBe('cleared');

    const authorize = { policyTemplateId: 'authentication', applyingEventIds: ['oauth.authorize'] };
    await policy({ ...authorize, configuration: { applicationId: mine } });
    const consent = (applicationId: string) =>
      clearance(
        'profile/oauth-application-request-authorization-code',
        { applicationId },
        { operation: 'oauth.authorize' },
      );
    expect(await consent(mine)).toBe('pending_vote');
    expect(await consent(other)).not.toBe('pending_vote');
  });

  test('deviceIdentifiers: which device', async () => {
    const [mine, other] = [uuid7(), uuid7()];
    const configured = { configuration: { deviceIdentifiers: [mine] } };
    await policy({ policyTemplateId: 'device_management', applyingEventIds: ['storage.removed'], ...configured });
    expect(await clearance('storage/remove', { deviceIdentifier: mine })).toBe('pending_vote');
    expect(await clearance('storage/remove', { deviceIdentifier: other })).not.toBe('pending_vote');
  });
});

describe('the policies themselves', () => {
  test('a policy on deactivation guards itself', async () => {
    const settings = { policyTemplateId: 'security_settings', applyingEventIds: ['policy.deactivated'] };
    const id = await policy({ ...settings, name: 'the guard' });
    const attempt = await server.post('/policy/deactivate', { json: { policyId: id }, token: ada.token });
    const { personal } = await voting.vote(attempt.body.commandId, 'rejected');
    expect(personal.question).toBe(`Allow ${ada.username} to deactivate the policy "the guard"?`);
    expect(await ended(attempt.body.commandId)).toMatchObject({ status: 'rejected', reason: 'poll.rejected' });
    const again = await server.post('/policy/deactivate', { json: { policyId: id }, token: ada.token });
    await voting.vote(again.body.commandId, 'succeeded');
    expect(await ended(again.body.commandId)).toMatchObject({ status: 'succeeded', body: { id } });
  });
});

describe('for other endpoints', () => {
  test('held tells whether an active policy names an operation, at once', async () => {
    const { profileId } = ada;
    expect(await commands.held(profileId, 'profile.authenticate')).toBe(false);
    const id = await policy({ policyTemplateId: 'authentication', applyingEventIds: ['profile.authenticate'] });
    expect(await commands.held(profileId, 'profile.authenticate')).toBe(true);
    expect(await commands.held(profileId, 'profile.reauthorize')).toBe(false);
    await server.done('/policy/deactivate', { policyId: id }, ada.token);
    expect(await commands.held(profileId, 'profile.authenticate')).toBe(false);
  });

  test("a device's own actions are judged by its owner's policies", async () => {
    const device = await TestDevice.of(server, ada, { storage: false });
    const { deviceIdentifier } = device;
    const actor: Actor = { profileId: deviceIdentifier, kind: 'device', deviceIdentifier };
    expect(await commands.held(deviceIdentifier, 'public_key.replaced', actor)).toBe(false);
    await policy({ policyTemplateId: 'security_settings', applyingEventIds: ['public_key.replaced'] });
    expect(await commands.held(deviceIdentifier, 'public_key.replaced', actor)).toBe(true);
    const commandId = await submit('public-key/register-public-key', {}, { actor, operation: 'public_key.replaced' });
    const { data, personal } = await voting.opened(commandId);
    expect(data.profileId).toBe(ada.profileId);
    expect(personal.context.requester).toEqual({ profileId: deviceIdentifier, username: deviceIdentifier });
  });

  test('clearance resolves once the policies have decided', async () => {
    await policy();
    const commandId = await reserve();
    expect(await commands.clearance(commandId, 30)).toBe('pending_vote');
    await voting.vote(commandId, 'rejected');
    await ended(commandId);
    expect(await commands.clearance(commandId, 30)).toBe('rejected');
    const free = await server.done('/policy/register', { ...changes, name: 'x' }, ada.token);
    expect(await commands.clearance(free.commandId, 30)).toBe('cleared');
    expect(await commands.clearance(uuid7(), 0)).toBe('pending_vote');
  });

  test('an operation that is named by the submitter overrides the catalogue', async () => {
    await policy();
    const input = { tokenId: uuid7(), context: 'a', ttlMinutes: 5, meta: {} };
    const caller = {
      actor: { profileId: ada.profileId, kind: 'user' },
      client: { ip: null, userAgent: null, location: null },
    };
    const whole = { ...caller, profileId: ada.profileId, tokenId: uuid7(), idempotencyKey: null };
    const submission = { type: 'data-token/reserve-token-space', caller: { ...whole, answered: Promise.resolve() } };
    const { commandId } = await commands.submit({
      ...(submission as { type: string; caller: Caller }),
      input,
      operation: null,
    });
    expect(await ended(commandId)).toMatchObject({ status: 'succeeded' });
    const events: Recorded[] = [];
    for await (const event of server.served.app.get(EventStore).read(`command-${commandId}`)) events.push(event);
    expect(events[0]!.data).not.toHaveProperty('held');
  });
});
