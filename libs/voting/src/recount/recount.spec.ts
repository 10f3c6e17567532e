import type { Strategy } from '@symbolon/contracts';
import { generateEd25519, signStatement, uuid7 } from '@symbolon/crypto';
import { instant, millisOf } from '@symbolon/kernel';
import { openPoll } from '../poll/open-poll.decide';
import { poll, type Poll } from '../poll/poll.model';
import { castVote, endPoll } from '../poll/settle-poll.decide';
import { ballotType, claimsOf, statementHash, voteType } from '../poll/statements';
import { parsePollRecord, type PollRecord, readPollRecord } from './poll-record';
import { recount } from './recount';

type Event = PollRecord['events'][number];

const start = Date.parse('2026-02-21T15:33:44Z');
const server = generateEd25519();
const devices = [uuid7(), uuid7(), uuid7()].map((id) => ({ id, ...generateEd25519() }));
const [first, second, third] = devices as [Device, Device, Device];
type Device = (typeof devices)[number];
const poolId = uuid7();
const unanimous: Strategy = { strategy: 'unanimous', strategyParams: null, countRequired: null };

/** A poll as the server keeps it, with two yes votes on three ballots, ended at its time. */
function held({ strategy = unanimous, ballots = devices } = {}): PollRecord {
  const expiresAt = instant(start + 60_000);
  const op = 'o'.repeat(43);
  let state: Poll = poll.initial;
  const events: Event[] = [];
  let at = start;
  const record = (decision: { accepted: boolean; events?: readonly unknown[] }) => {
    for (const event of (decision.events ?? []) as Array<{ type: string; data: Record<string, unknown> }>) {
      state = poll.evolve(state, event as never);
      events.push({ id: uuid7(), type: event.type, recordedAt: instant(at), data: event.data });
    }
  };
  const attempt = {
    ...{ poolId, chainId: poolId, profileId: uuid7(), commandId: uuid7(), gated: true, directoryId: null },
    ...{ operation: 'data_token.deleted', op, attempt: 1, previousPoolId: null, skipped: [] },
    rules: { ...strategy, quorumSize: 1, timeLimit: 60, maxAttempts: 1, deviceIdentifiers: null },
  };
  const context = { time: instant(start) } as never;
  const stated = ballots.map(({ id: deviceIdentifier }) => {
    const ballotId = uuid7();
    const statement = signStatement(server.privateKey, ballotType, {
      ...{ iss: 'http://127.0.0.1:8009', aud: deviceIdentifier, jti: ballotId, poll: poolId, op },
      ...{ operation: attempt.operation, requester: attempt.profileId, attempt: 1, nonce: uuid7() },
      ...{ iat: start / 1000, exp: start / 1000 + 60 },
    });
    return { ballotId, deviceIdentifier, statement };
  });
  const shown = { title: 't', question: 'q', nonce: null, opNonce: null, context };
  record(openPoll({ attempt, shown, expiresAt, ballots: stated }, state));
  for (const device of [first, second]) {
    at += 1000;
    const ballot = state.ballots.find(({ deviceIdentifier }) => deviceIdentifier === device.id)!;
    const vote = {
      ...{
        ballotId: ballot.ballotId,
        deviceIdentifier: device.id,
        envelopeId: uuid7(),
        vote: 'yes' as const,
        votedAt: instant(at),
      },
      ...{ statement: voteOf(device, ballot, 'yes', at), comment: null, voter: uuid7(), receivedAt: instant(at) },
      ...{ entitled: true, nextPoolId: uuid7(), hash: statementHash },
    };
    record(castVote(vote, state));
  }
  at = start + 60_000;
  record(endPoll({ nextPoolId: uuid7(), hash: statementHash, now: expiresAt }, state));
  const registeredAt = instant(start - 1000);
  const known = devices.map(({ id, publicKey }) => [id, [{ signingKey: publicKey, registeredAt }]]);
  const keys = { server: [server.publicKey], devices: Object.fromEntries(known) };
  return { format: 'symbolon-poll/1', poolId, events, keys };
}

function voteOf(
  { id, privateKey }: Device,
  ballot: { ballotId: string; statement: string },
  vote: string,
  at: number,
  change: object = {},
): string {
  const { iss, op, nonce } = claimsOf(ballot.statement);
  return signStatement(privateKey, voteType, {
    ...{ iss: id, aud: iss, poll: poolId, ballot: ballot.ballotId, ballotHash: statementHash(ballot.statement) },
    ...{ op, vote, nonce, iat: Math.floor(at / 1000) },
    ...change,
  });
}

/** The record with one event changed. */
function changed(record: PollRecord, type: string, change: (data: any) => object, nth = 0): PollRecord {
  let seen = 0;
  const events = record.events.map((event) =>
    event.type === type && seen++ === nth ? { ...event, data: { ...event.data, ...change(event.data) } } : event,
  );
  return { ...record, events };
}

describe('a poll counted again', () => {
  test('is right as it was held', () => {
    expect(recount(held())).toEqual({
      ...{ poolId, outcome: 'succeeded', yes: 2, no: 0, ballotsIssued: 3, signed: 2, unsigned: 0, faults: [] },
    });
    expect(recount(held({ ballots: [first, second] }))).toMatchObject({ outcome: 'succeeded', faults: [] });
  });

  test('is the same from a text', () => {
    const record = held();
    expect(parsePollRecord(JSON.stringify(record))).toEqual(record);
    for (const text of [
      '',
      'null',
      '[]',
      '{}',
      JSON.stringify({ ...record, format: 'other' }),
      JSON.stringify({ ...record, keys: { server: ['x'], devices: {} } }),
    ])
      expect(parsePollRecord(text)).toBeNull();
  });

  test('counts votes of devices without signing key on the server’s word, and says so', () => {
    const record = changed(held(), 'ballot.cast', () => ({ statement: null, signed: false }));
    const resolved = changed(record, 'poll.resolved', ({ votes }) => ({
      votes: [{ ...votes[0], statementHash: null }, votes[1]],
    }));
    const registeredAt = instant(start - 1000);
    const keyless = {
      ...resolved.keys,
      devices: { ...resolved.keys.devices, [first.id]: [{ signingKey: null, registeredAt }] },
    };
    expect(recount({ ...resolved, keys: keyless })).toMatchObject({ signed: 1, unsigned: 1, faults: [] });
    // Who knows better than the record that the device has a key is not misled.
    expect(recount({ ...resolved, keys: keyless }, { devices: { [first.id]: [first.publicKey] } }).faults).toHaveLength(
      1,
    );
  });
});

/** J6: the server cannot make up a vote of a device that signs. */
describe('a forged count shows', () => {
  const faultsOf = (record: PollRecord, ...rest: Parameters<typeof recount> extends [any, ...infer R] ? R : never) =>
    recount(record, ...rest).faults;
  const statementHashes = (record: PollRecord) => {
    const votes = record.events
      .filter(({ type }) => type === 'ballot.cast')
      .map(({ data }) => ({
        ballotId: data['ballotId'],
        statementHash: data['statement'] && statementHash(String(data['statement'])),
      }));
    return changed(record, 'poll.resolved', () => ({ votes }));
  };
  const ballotOf = (record: PollRecord, device: Device) =>
    record.events.find(({ type, data }) => type === 'ballot.issued' && data['deviceIdentifier'] === device.id)!
      .data as any;
  /** A yes of the third device that it never gave, cast before the end. */
  const madeUp = (statement: (record: PollRecord) => string | null, signed = true): PollRecord => {
    const record = held();
    const { ballotId } = ballotOf(record, third);
    const at = start + 3000;
    const data = {
      ballotId,
      poolId,
      deviceIdentifier: third.id,
      vote: 'yes',
      votedAt: instant(at),
      signed,
      statement: statement(record),
    };
    const cast: Event = { id: uuid7(), type: 'ballot.cast', recordedAt: instant(at), data };
    const end = record.events.findIndex(({ type }) => type === 'poll.resolved');
    const events = [...record.events.slice(0, end), cast, record.events[end]!];
    return statementHashes(changed({ ...record, events }, 'poll.resolved', () => ({ yes: 3 })));
  };

  test.each<[string, (record: PollRecord) => string | null, boolean]>([
    ['without a statement', () => null, false],
    ['without a statement, said to be signed', () => null, true],
    [
      'signed by the server',
      (record) => voteOf({ ...server, id: third.id }, ballotOf(record, third), 'yes', start + 3000),
      true,
    ],
    [
      'signed by another device',
      (record) => voteOf({ ...first, id: third.id }, ballotOf(record, third), 'yes', start + 3000),
      true,
    ],
    ['taken from another ballot', (record) => voteOf(third, ballotOf(record, first), 'yes', start + 3000), true],
    ['a no turned into a yes', (record) => voteOf(third, ballotOf(record, third), 'no', start + 3000), true],
    ['of another time', (record) => voteOf(third, ballotOf(record, third), 'yes', start + 9000), true],
    [
      'of another operation',
      (record) => voteOf(third, ballotOf(record, third), 'yes', start + 3000, { op: 'p'.repeat(43) }),
      true,
    ],
    ['garbled', () => 'a.b.c', true],
  ])('as a vote %s', (_, statement, signed) => {
    expect(faultsOf(madeUp(statement, signed))).toHaveLength(1);
  });

  test('but not where the device has voted so', () => {
    expect(faultsOf(madeUp((record) => voteOf(third, ballotOf(record, third), 'yes', start + 3000)))).toEqual([]);
  });

  test('also with keys that the record makes up, where the true ones are pinned', () => {
    const imposter = generateEd25519();
    const record = madeUp((made) => voteOf({ ...imposter, id: third.id }, ballotOf(made, third), 'yes', start + 3000));
    const registeredAt = instant(start - 1000);
    const forged = {
      ...record,
      keys: {
        ...record.keys,
        devices: { ...record.keys.devices, [third.id]: [{ signingKey: imposter.publicKey, registeredAt }] },
      },
    };
    expect(faultsOf(forged)).toEqual([]);
    expect(faultsOf(forged, { devices: { [third.id]: [third.publicKey] } })).toHaveLength(1);
    expect(faultsOf(held(), { server: [imposter.publicKey] })).toHaveLength(3);
  });

  test('as a key that was registered only after the vote', () => {
    const record = held();
    const late = [{ signingKey: first.publicKey, registeredAt: instant(start + 30_000) }];
    expect(
      faultsOf({ ...record, keys: { ...record.keys, devices: { ...record.keys.devices, [first.id]: late } } }),
    ).toHaveLength(1);
  });

  test('as counts, votes and an outcome that are not those of the statements', () => {
    for (const change of [{ yes: 3 }, { no: 1 }, { ballotsIssued: 2 }, { votes: [] }, { outcome: 'rejected' }])
      expect([change, faultsOf(changed(held(), 'poll.resolved', () => change))]).toEqual([
        change,
        [expect.any(String)],
      ]);
    expect(
      faultsOf(
        changed(held(), 'poll.resolved', ({ votes }) => ({ votes: [votes[0], { ...votes[1], statementHash: 'x' }] })),
      ),
    ).toHaveLength(1);
  });

  test('as a vote that is left out, or turned', () => {
    const record = held();
    const without = { ...record, events: record.events.filter(({ type }, at) => type !== 'ballot.cast' || at < 5) };
    expect(without.events).toHaveLength(record.events.length - 1);
    expect(faultsOf(without)).toHaveLength(2);
    expect(faultsOf(changed(record, 'ballot.cast', () => ({ vote: 'no' })))).toEqual(
      expect.arrayContaining([expect.stringContaining('something else')]),
    );
  });

  test('as ballots that say something else, or nothing that can be checked', () => {
    for (const change of [
      { poolId: uuid7() },
      { operation: 'data_token.requested' },
      { op: 'p'.repeat(43) },
      { attempt: 2 },
    ])
      expect(faultsOf(changed(held(), 'poll.created', () => change))).not.toEqual([]);
    const other = held();
    expect(
      faultsOf(changed(held(), 'ballot.issued', () => ({ statement: ballotOf(other, third).statement }), 2)),
    ).toHaveLength(1);
    expect(faultsOf({ ...held(), keys: { ...held().keys, server: [] } })).toHaveLength(3);
  });

  test('as an end before the time, or two', () => {
    const record = held();
    const end = record.events.findIndex(({ type }) => type === 'poll.resolved');
    const early = record.events.map((event, at) =>
      at >= end ? { ...event, recordedAt: instant(start - 61_000) } : event,
    );
    expect(millisOf(early[end]!.recordedAt)).toBeLessThan(start);
    expect(faultsOf({ ...record, events: early })).toEqual([expect.stringContaining('before its time')]);
    expect(faultsOf({ ...record, events: [...record.events, record.events[end]!] })).toContain(
      'The poll is resolved twice.',
    );
  });

  test('as a record that is damaged', () => {
    expect(faultsOf(changed(held(), 'poll.resolved', () => ({ votes: null })))).toContain(
      'An event poll.resolved is malformed.',
    );
    expect(faultsOf({ ...held(), events: [] })).toEqual(['The poll was never created.']);
  });
});

test('a record holds what lies open in the log, and the keys of the devices asked', async () => {
  const asked = held();
  const streams: Record<string, Array<Partial<Event>>> = {
    [`poll-${poolId}`]: asked.events.map((event) => ({
      ...event,
      data: { ...event.data, sealed: { somebody: 'box' } },
    })),
    [`profile-${first.id}`]: [
      { type: 'profile.registered', recordedAt: instant(start), data: {} },
      { type: 'public_key.registered', recordedAt: instant(start), data: { signingKey: null } },
      { type: 'public_key.replaced', recordedAt: instant(start + 1), data: { signingKey: first.publicKey } },
    ],
  };
  const store = {
    read: async function* (stream: string) {
      yield* (streams[stream] ?? []) as never[];
    },
  };
  const record = await readPollRecord(store, poolId, [server.publicKey]);
  expect(record!.events).toEqual(asked.events);
  expect(record!.keys).toEqual({
    server: [server.publicKey],
    devices: {
      [first.id]: [
        { signingKey: null, registeredAt: instant(start) },
        { signingKey: first.publicKey, registeredAt: instant(start + 1) },
      ],
      [second.id]: [],
      [third.id]: [],
    },
  });
  expect(await readPollRecord(store, uuid7(), [])).toBeNull();
});
