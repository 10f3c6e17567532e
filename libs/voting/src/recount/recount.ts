import { StatementError, verifyStatement } from '@symbolon/crypto';
import { millisOf } from '@symbolon/kernel';
import type { PollData, PollEvent } from '../poll/poll.events';
import { type Ballot, poll, type Poll, tallyOf } from '../poll/poll.model';
import { ballotType, claimsOf, statementHash, voteType } from '../poll/statements';
import { agrees } from '../poll/vote-statement.decide';
import { verdict } from '../strategy/strategy.decide';
import type { PollRecord } from './poll-record';

/** Keys that are known from elsewhere, and count in place of those that the record names. 64 hex digits each. */
export interface PinnedKeys {
  readonly server?: readonly string[];
  readonly devices?: Readonly<Record<string, readonly string[]>>;
}

export interface Recount {
  readonly poolId: string;
  /** As the votes have it; null while it is open. */
  readonly outcome: string | null;
  readonly yes: number;
  readonly no: number;
  readonly ballotsIssued: number;
  /** Votes whose statement was checked with a key of their device. */
  readonly signed: number;
  /** Votes of devices without signing key: there is the server's word for them and nothing else. */
  readonly unsigned: number;
  /** What does not bear checking, for people. Empty: the count is right. */
  readonly faults: readonly string[];
}

/**
 * Counts a poll again from what was stated: every ballot by the server, every vote by its device. Believes nothing else
 * of the record than when keys were registered, and not even that where keys are pinned.
 */
export function recount(record: PollRecord, pinned: PinnedKeys = {}): Recount {
  const { poolId } = record;
  const faults: string[] = [];
  const counts = { signed: 0, unsigned: 0 };
  const nonces = new Set<unknown>();
  let state: Poll = poll.initial;
  let resolved: PollData<'poll.resolved'> | null = null;
  const fault: Fault = (text) => void faults.push(text);
  for (const { type, data, recordedAt } of record.events) {
    const event = { type, version: 1, data } as unknown as PollEvent;
    try {
      if (event.type === 'poll.created') {
        if (state.created) fault('The poll is created twice.');
        if (event.data.poolId !== poolId) fault(`The poll is ${event.data.poolId}.`);
      } else if (event.type === 'ballot.issued') {
        checkBallot(record, pinned, state, event.data, nonces, fault);
      } else if (event.type === 'ballot.cast') {
        const kind = checkVote(record, pinned, state, event.data, recordedAt, fault);
        if (kind) counts[kind]++;
      } else if (event.type === 'poll.resolved') {
        if (resolved) fault('The poll is resolved twice.');
        resolved = event.data;
        checkResolution(state, event.data, recordedAt, fault);
      }
      state = poll.evolve(state, event);
    } catch (error) {
      // A record from outside may hold anything.
      if (!(error instanceof TypeError)) throw error;
      fault(`An event ${type} is malformed.`);
    }
  }
  if (!state.created && state.phase !== 'refused') faults.push('The poll was never created.');
  const { yes, no } = tallyOf(state);
  return {
    poolId,
    outcome: resolved?.outcome ?? null,
    yes,
    no,
    ballotsIssued: state.ballots.length,
    ...counts,
    faults,
  };
}

type Fault = (text: string) => void;

/** Milliseconds between the clocks of a server and its database. */
const skew = 60_000;

function checkBallot(
  { keys, poolId }: PollRecord,
  pinned: PinnedKeys,
  { created, ballots, phase }: Poll,
  { ballotId, deviceIdentifier, statement, expiresAt }: PollData<'ballot.issued'>,
  nonces: Set<unknown>,
  fault: Fault,
): void {
  const about = `The ballot ${ballotId}`;
  if (!created || phase !== 'open') return fault(`${about} was issued outside an open poll.`);
  if (ballots.some((one) => one.ballotId === ballotId || one.deviceIdentifier === deviceIdentifier))
    fault(`${about} is a second one for its device.`);
  const claims = verified(statement, ballotType, pinned.server ?? keys.server);
  if (typeof claims === 'string') return fault(`${about} has a statement that is ${claims}.`);
  const expected = {
    ...{ aud: deviceIdentifier, jti: ballotId, poll: poolId, operation: created.operation, op: created.op },
    ...{ attempt: created.attempt, exp: Math.floor(millisOf(expiresAt) / 1000) },
  };
  if (Object.entries(expected).some(([name, value]) => claims[name] !== value))
    fault(`${about} has a statement of something else.`);
  if (nonces.has(claims['nonce'])) fault(`${about} has the nonce of another ballot.`);
  nonces.add(claims['nonce']);
}

function checkVote(
  { keys, poolId }: PollRecord,
  pinned: PinnedKeys,
  { ballots, phase }: Poll,
  { ballotId, deviceIdentifier, vote, votedAt, statement, signed }: PollData<'ballot.cast'>,
  recordedAt: string,
  fault: Fault,
): 'signed' | 'unsigned' | null {
  const about = `The vote on the ballot ${ballotId}`;
  const refuse = (text: string) => {
    fault(`${about} ${text}.`);
    return null;
  };
  const ballot = ballots.find((one) => one.ballotId === ballotId && one.deviceIdentifier === deviceIdentifier);
  if (!ballot) return refuse('has no ballot');
  if (ballot.state !== 'open' || phase !== 'open') return refuse('was cast when it could not be');
  const known = (keys.devices[deviceIdentifier] ?? []).filter(({ registeredAt }) => registeredAt <= recordedAt);
  const signers =
    pinned.devices?.[deviceIdentifier] ?? known.flatMap(({ signingKey }) => (signingKey === null ? [] : [signingKey]));
  const mustSign = pinned.devices?.[deviceIdentifier] !== undefined || (known.at(-1)?.signingKey ?? null) !== null;
  if (statement === null) {
    if (mustSign) return refuse('has no statement, though its device has a signing key');
    if (signed) return refuse('is said to be signed, and is not');
    return 'unsigned';
  }
  const claims = verified(statement, voteType, signers);
  if (typeof claims === 'string') return refuse(`has a statement that is ${claims}`);
  return says(claims, ballot, { poolId, vote, votedAt }) ? 'signed' : refuse('has a statement of something else');
}

function says(
  claims: Record<string, unknown>,
  { ballotId, deviceIdentifier, statement }: Ballot,
  vote: { poolId: string; vote: string; votedAt: string },
): boolean {
  let ballot: Record<string, unknown>;
  try {
    ballot = claimsOf(statement);
  } catch {
    return false; // said of the ballot already
  }
  return agrees(claims, { ...vote, ballotId, deviceIdentifier, ballot, ballotHash: statementHash(statement) });
}

function checkResolution(state: Poll, resolved: PollData<'poll.resolved'>, recordedAt: string, fault: Fault): void {
  const { yes, no, open } = tallyOf(state);
  const { outcome } = resolved;
  if (resolved.yes !== yes || resolved.no !== no)
    fault(`It is said to have ${resolved.yes} yes and ${resolved.no} no, and has ${yes} and ${no}.`);
  if (resolved.ballotsIssued !== state.ballots.length)
    fault(`It is said to have ${resolved.ballotsIssued} ballots, and has ${state.ballots.length}.`);
  const counted = state.ballots
    .filter((ballot) => ballot.state === 'cast')
    .map(
      ({ ballotId, voteStatement }) => `${ballotId} ${voteStatement === null ? null : statementHash(voteStatement)}`,
    );
  const told = resolved.votes.map(({ ballotId, statementHash: digest }) => `${ballotId} ${digest}`);
  if ([...counted].sort().join() !== [...told].sort().join())
    fault('The votes that it is said to count are not those cast.');
  if (outcome === 'cancelled' || !state.created) return;
  const tally = { yes, no, open };
  const early = verdict(state.created, tally, false);
  const right = early ?? verdict(state.created, tally, true);
  if (early === null && millisOf(recordedAt) + skew < millisOf(state.created.expiresAt))
    fault('It was ended before its time, undecided.');
  if (outcome !== right) fault(`It is said to have ended as ${outcome}, and ends as ${right}.`);
}

/** The claims, or what is wrong with the statement. */
function verified(statement: string, typ: string, keys: readonly string[]): Record<string, unknown> | string {
  let last = 'signed by a key that is not known';
  for (const publicKeyHex of keys) {
    try {
      return verifyStatement(statement, { typ, publicKeyHex });
    } catch (error) {
      if (!(error instanceof StatementError)) throw error;
      if (error.fault === 'malformed') last = 'malformed';
    }
  }
  return keys.length === 0 ? 'without a key to check it with' : last;
}
