import type { PollEvent, VoteEvent } from '@symbolon/contracts';
import { PersonalBoxes, uuid5, uuid7 } from '@symbolon/crypto';
import { type Decided, EventStore, ManualClock, Streams, system } from '@symbolon/kernel';
import { ProjectionRunner } from '@symbolon/projection';
import { TestDevice, type TestProfile, TestServer, until } from '@symbolon/testing';
import { identityMigrations, IdentityModule } from '@symbolon/identity';
import { deviceRouterMigrations, DeviceRouterModule } from '..';

/** Ballots on their way, with polls written by hand: what the voting context would do, the test does. */
let clock: ManualClock;
let server: TestServer;
let ada: TestProfile;
let device: TestDevice;
const contexts = {
  modules: [IdentityModule, DeviceRouterModule],
  migrations: [...identityMigrations, ...deviceRouterMigrations],
  entities: [],
};

beforeEach(async () => {
  clock = new ManualClock(Date.now());
  server = await TestServer.start({ clock, contexts });
  ada = await server.profile();
  device = await TestDevice.of(server, ada, { storage: false });
  await device.connect();
});
afterEach(async () => {
  await device.leave();
  await server.stop();
});

const append = async (stream: string, events: readonly Decided[]) => {
  const id = uuid7();
  const cause = { commandId: null, correlationId: id, causationId: id, actor: system };
  const appended = await server.served.app.get(Streams).append(stream, 'any', events, cause);
  if (appended.status === 'conflict') throw new Error('conflict');
  await server.served.app.get(ProjectionRunner).passed(appended.cursor);
};
const query = async (sql: string, params: unknown[] = []) => (await server.database.pool.query(sql, params)).rows;
const deliveries = async () =>
  (await query('select kind from device_router.delivery order by number')).map(({ kind }) => kind);
const recorded = async (type: string) =>
  (await query('select data from es.event where type = $1 order by position', [type])).map(({ data }) => data);

interface Poll {
  readonly poolId: string;
  readonly ballotId: string;
  readonly expiresAt: string;
  append(...events: PollEvent[]): Promise<void>;
  readonly cast: PollEvent;
  readonly resolved: PollEvent;
  readonly voided: PollEvent;
}

const context = {
  requester: { profileId: uuid7(), username: 'ada@example.org' },
  application: null,
  ip: '192.0.2.7',
  userAgent: 'curl/8.5',
  location: null,
  time: '2026-02-21T15:33:44.123+00:00',
  dataContext: 'invoices/2026',
  classification: null,
  label: null,
  handling: null,
  device: null,
  nonce: null,
};
const statement = ['eyJhbGciOiJFZERTQSJ9', Buffer.from('{"jti":"1"}').toString('base64url'), 'c2ln'].join('.');

/** A poll with one ballot, for the device. */
async function poll({ deviceIdentifier } = device): Promise<Poll> {
  const [poolId, ballotId, expiresAt] = [uuid7(), uuid7(), clock.after(300)];
  const { profileId } = ada;
  const about = { poolId, chainId: poolId, profileId, commandId: null, gated: false };
  const made: Poll = {
    poolId,
    ballotId,
    expiresAt,
    append: (...events) => append(`poll-${poolId}`, events),
    cast: {
      type: 'ballot.cast',
      version: 1,
      data: { ballotId, poolId, deviceIdentifier, vote: 'yes', votedAt: clock.now(), signed: true, statement },
      personal: { subject: profileId, fields: { comment: null } },
    },
    resolved: {
      type: 'poll.resolved',
      version: 1,
      data: {
        ...about,
        outcome: 'succeeded',
        reason: null,
        yes: 1,
        no: 0,
        ballotsIssued: 2,
        votes: [],
        nextPoolId: null,
      },
    },
    voided: {
      type: 'ballot.voided',
      version: 1,
      data: { ballotId, poolId, deviceIdentifier, reason: 'poll_resolved' },
    },
  };
  await made.append(
    {
      type: 'poll.created',
      version: 1,
      data: {
        ...about,
        directoryId: null,
        operation: 'data_token.data_requested',
        op: 'x'.repeat(43),
        attempt: 1,
        maxAttempts: 3,
        previousPoolId: null,
        quorumSize: 1,
        timeLimit: 300,
        expiresAt,
        deviceIdentifiers: null,
        skipped: [],
        strategy: 'affirmative',
        strategyParams: null,
        countRequired: null,
      },
      personal: {
        subject: profileId,
        fields: { title: 'Retrieve data', question: 'Allow ada to retrieve data?', nonce: null, context },
      },
    },
    {
      type: 'ballot.issued',
      version: 1,
      data: { ballotId, poolId, profileId, deviceIdentifier, expiresAt, statement },
    },
  );
  return made;
}

describe('a ballot', () => {
  test('comes sealed and signed, with what its poll shows', async () => {
    const { poolId, ballotId, expiresAt } = await poll();
    const { envelope, content } = await device.got('ballot.issued');
    expect(content).toEqual({
      ballotId,
      poolId,
      operation: 'data_token.data_requested',
      title: 'Retrieve data',
      question: 'Allow ada to retrieve data?',
      context: { ...context, time: '2026-02-21T15:33:44+00:00' },
      attempt: 1,
      maxAttempts: 3,
      expiresAt: `${expiresAt.slice(0, 19)}+00:00`,
      statement,
    });
    expect(envelope).toMatchObject({ correlationId: null, body: { sealed: expect.any(String) } });
  });

  test('waits for a device that is away, comes again under the same id until it is voted on, and then no more', async () => {
    await device.leave();
    const { append: then, cast } = await poll();
    await device.connect();
    const first = await device.got('ballot.issued');
    await device.leave();
    await device.connect();
    const second = await device.got('ballot.issued', 2);
    expect(second.envelope.id).toBe(first.envelope.id);
    expect(second.content).toEqual(first.content);
    clock.advance(61); // the second time it waits twice as long
    expect((await device.got('ballot.issued', 3)).envelope.id).toBe(first.envelope.id);
    await then(cast);
    expect(await deliveries()).toEqual([]);
  });

  test.each([
    ['before', (poll: Poll) => poll.append(poll.voided, poll.resolved)],
    ['after', (poll: Poll) => poll.append(poll.resolved, poll.voided)],
    ['long after', (poll: Poll) => poll.append(poll.resolved).then(() => poll.append(poll.voided))],
  ])('is followed by word that it is void, told %s the poll is resolved', async (_, end) => {
    const made = await poll();
    await device.got('ballot.issued');
    await device.leave();
    await end(made);
    await device.connect();
    const { content } = await device.got('ballot.voided');
    expect(content).toEqual({ ballotId: made.ballotId, poolId: made.poolId, reason: 'poll_resolved' });
    await until(async () => (await deliveries()).length === 0, 'every delivery to be over');
    expect(device.count('ballot.issued')).toBe(1);
  });

  test('does not come after its time, nor word that it is void', async () => {
    await device.leave();
    const late = await poll();
    clock.advance(300);
    await late.append(late.voided);
    const next = await poll();
    await device.connect();
    const { content } = await device.got('ballot.issued');
    expect(content.ballotId).toBe(next.ballotId);
    expect(device.count('ballot.voided')).toBe(0);
  });

  test('is not given to a device without a key', async () => {
    const { body } = await server.done('/device/request-unique-identifier', { deviceName: 'keyless' }, ada.token);
    await server.done('/device/approve-device', body, ada.token);
    const path = `/device/retrieve-device-configuration/${body.deviceIdentifier}`;
    const { body: configuration } = await server.get(path, { token: ada.token });
    expect(configuration['client-secret']).toEqual(expect.any(String));
    await poll({ deviceIdentifier: body.deviceIdentifier } as TestDevice);
    await poll();
    await device.got('ballot.issued');
    expect(await deliveries()).toEqual(['ballot', 'ballot']);
  });

  test('survives that the rows are made anew', async () => {
    await poll();
    await device.got('ballot.issued');
    await device.leave();
    await server.served.app.get(ProjectionRunner).rebuild('device-router.routing');
    await until(async () => (await deliveries()).length === 1, 'one delivery');
    await device.connect();
    await device.got('ballot.issued', 2);
  });
});

describe('a vote', () => {
  const streamOf = (envelopeId: string) => `vote-${uuid5(`${device.deviceIdentifier}/${envelopeId}`)}`;
  const received = async () => {
    await until(async () => (await recorded('ballot.vote_received')).length === 1, 'the vote in the log');
    return (await recorded('ballot.vote_received'))[0];
  };

  test('is taken into the log, its comment sealed for the owner', async () => {
    const { ballotId } = await poll();
    const id = device.vote(await device.got('ballot.issued'), 'yes', { comment: 'that was me' });
    const { sealed, ...data } = await received();
    expect(data).toEqual({
      envelopeId: id,
      deviceIdentifier: device.deviceIdentifier,
      profileId: ada.profileId,
      ballotId,
      vote: 'yes',
      votedAt: expect.stringMatching(/\.\d{3}\+00:00$/),
      signed: true,
      statement: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
      receivedAt: clock.now(),
    });
    expect(Object.keys(sealed)).toEqual([ada.profileId]);
    const { app } = server.served;
    for await (const event of app.get(EventStore).read(streamOf(id)))
      expect(await app.get(PersonalBoxes).open(event, ada.profileId)).toEqual({ comment: 'that was me' });
    expect(device.count('error')).toBe(0);
  });

  test('of a device without signing key is taken without statement', async () => {
    const plain = await TestDevice.of(server, ada, { storage: false, signing: false });
    await plain.connect();
    await poll(plain);
    plain.vote(await plain.got('ballot.issued'), 'no');
    expect(await received()).toMatchObject({ signed: false, statement: null, vote: 'no' });
    await plain.leave();
  });

  test('has its effect once, whatever comes again', async () => {
    await poll();
    const ballot = await device.got('ballot.issued');
    const id = device.vote(ballot, 'yes');
    await received();
    device.say('ballot.vote', { ...ballot.content, vote: 'no', votedAt: clock.now() }, null, { id });
    await device.until(() => device.acks.has(id));
    const last = device.vote(ballot, 'no');
    await device.until(() => device.acks.has(last));
    expect((await recorded('ballot.vote_received')).map(({ vote }) => vote)).toEqual(['yes', 'no']);
  });

  test.each([
    ['no ballot', { ballotId: 'x' }],
    ['another word', { vote: 'maybe' }],
    ['no time', { votedAt: 'now' }],
    ['a long comment', { comment: '🂡'.repeat(501) }],
    ['a statement that is no text', { statement: 7 }],
  ])('with %s is refused and recorded', async (_, change) => {
    await poll();
    const id = device.vote(await device.got('ballot.issued'), 'yes', { change });
    const { envelope, content } = await device.got('error');
    expect(content).toMatchObject({ code: 'device.envelope_invalid', refType: 'ballot.vote' });
    expect(envelope.correlationId).toBe(id);
    expect(await recorded('device.message_rejected')).toEqual([
      {
        deviceIdentifier: device.deviceIdentifier,
        envelopeId: id,
        messageType: 'ballot.vote',
        reason: 'device.envelope_invalid',
      },
    ]);
    expect(await recorded('ballot.vote_received')).toEqual([]);
    expect(await deliveries()).toEqual(['ballot']);
  });

  test('with a comment of 500 characters is taken', async () => {
    await poll();
    device.vote(await device.got('ballot.issued'), 'yes', { comment: '🂡'.repeat(500) });
    await received();
  });

  test.each([
    ['wrong', { sig: '00'.repeat(64) }],
    ['missing', { sig: undefined as never }],
  ])('whose signature is %s is refused, recorded and told to the owner', async (_, change) => {
    await poll();
    const { content, envelope } = await device.got('ballot.issued');
    const said = { ballotId: content.ballotId, vote: 'yes', votedAt: clock.now(), comment: null, statement };
    const id = device.say('ballot.vote', said, envelope.id, change);
    expect((await device.got('error')).content.code).toBe('device.signature_invalid');
    expect(await recorded('device.message_rejected')).toMatchObject([
      { envelopeId: id, messageType: 'ballot.vote', reason: 'device.signature_invalid' },
    ]);
    expect(await recorded('security.alert_raised')).toMatchObject([
      { kind: 'signature_invalid', profileId: ada.profileId, deviceIdentifier: device.deviceIdentifier },
    ]);
    expect(await recorded('ballot.vote_received')).toEqual([]);
  });

  test.each(['unknown', 'duplicate', 'expired', 'voided'] as const)(
    'that is discarded as %s is answered so, under the same id when it comes again',
    async (reason) => {
      const { ballotId, poolId } = await poll();
      const ballot = await device.got('ballot.issued');
      const envelopeId = device.vote(ballot, 'yes');
      await received();
      const { deviceIdentifier } = device;
      const discarded: PollEvent = {
        type: 'ballot.vote_discarded',
        version: 1,
        data: { ballotId, deviceIdentifier, envelopeId, reason },
      };
      await append(reason === 'unknown' ? streamOf(envelopeId) : `poll-${poolId}`, [discarded]);
      const first = await device.got('error');
      expect(first.content).toEqual({ code: `ballot.${reason}`, message: expect.any(String), refType: 'ballot.vote' });
      expect(first.envelope.correlationId).toBe(envelopeId);
      device.vote(ballot, 'yes', { envelope: { id: envelopeId } });
      const second = await device.got('error', 2);
      expect(second.envelope.id).toBe(first.envelope.id);
      expect(second.content).toEqual(first.content);
      expect(await recorded('ballot.vote_received')).toHaveLength(1);
      expect(await recorded('device.message_rejected')).toEqual([]);
    },
  );

  test.each([
    ['device.envelope_invalid', 0],
    ['device.signature_invalid', 1],
  ] as const)('that is refused as %s is answered so and recorded', async (reason, alerts) => {
    const { ballotId, poolId } = await poll();
    const envelopeId = device.vote(await device.got('ballot.issued'), 'yes');
    await received();
    const { deviceIdentifier } = device;
    const refused: VoteEvent = {
      type: 'ballot.vote_refused',
      version: 1,
      data: { envelopeId, deviceIdentifier, profileId: ada.profileId, ballotId, poolId, commandId: null, reason },
    };
    await append(streamOf(envelopeId), [refused]);
    expect((await device.got('error')).content.code).toBe(reason);
    expect(await recorded('device.message_rejected')).toEqual([
      { deviceIdentifier, envelopeId, messageType: 'ballot.vote', reason },
    ]);
    const raised = await recorded('security.alert_raised');
    expect(raised).toHaveLength(alerts);
    for (const alert of raised) expect(alert).toMatchObject({ kind: 'signature_invalid', poolId, deviceIdentifier });
    expect(await deliveries()).toEqual(['ballot']);
  });
});
