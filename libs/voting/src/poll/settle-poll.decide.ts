import { accept, type Decide, type Instant, nothing, refuse } from '@symbolon/kernel';
import { type Outcome, verdict } from '../strategy/strategy.decide';
import type { PollData, PollEvent } from './poll.events';
import { type Ballot, poll, type Poll, tallyOf } from './poll.model';

/** What every decision that may end a poll needs. */
export interface Settling {
  /** For the next attempt, should there be one. */
  readonly nextPoolId: string;
  /** SHA-256 of a statement's text, base64url. */
  readonly hash: (statement: string) => string;
}

const reasons = {
  succeeded: null,
  rejected: 'poll.rejected',
  failed_quorum: 'poll.quorum_not_met',
  timed_out: 'poll.timed_out',
  cancelled: 'poll.cancelled',
} as const;

export interface CastVote extends Settling {
  readonly ballotId: string;
  readonly deviceIdentifier: string;
  /** Of the message that brought the vote. */
  readonly envelopeId: string;
  readonly vote: 'yes' | 'no';
  readonly votedAt: string;
  /** Checked against the ballot's; null of a device without signing key. */
  readonly statement: string | null;
  readonly comment: string | null;
  /** Whose device it is. */
  readonly voter: string;
  readonly receivedAt: Instant;
  /** The device is a verified authenticator of its owner, now. */
  readonly entitled: boolean;
}

/** The first vote on an open ballot counts; every other is recorded. */
export const castVote: Decide<CastVote, PollEvent, Poll> = (command, state) => {
  const { ballotId, deviceIdentifier, envelopeId, vote, votedAt, statement, comment, voter, receivedAt } = command;
  const ballot = state.ballots.find((one) => one.ballotId === ballotId && one.deviceIdentifier === deviceIdentifier);
  const discarded = (reason: PollData<'ballot.vote_discarded'>['reason']): PollEvent => ({
    type: 'ballot.vote_discarded',
    version: 1,
    data: { ballotId, deviceIdentifier, envelopeId, reason },
  });
  const fault = discardFor(ballot, receivedAt);
  if (!ballot || fault) return accept(discarded(fault ?? 'unknown'));
  if (!command.entitled) {
    const voided = voidedFor(state, ballot, 'authenticator_removed');
    return accept(voided, discarded('voided'), ...ended(state, [voided], false, command));
  }
  const cast: PollEvent = {
    type: 'ballot.cast',
    version: 1,
    data: { ...about(state, ballot), vote, votedAt, signed: statement !== null, statement },
    personal: { subject: voter, fields: { comment } },
  };
  return accept(cast, ...ended(state, [cast], false, command));
};

/** Time is over: the votes there are decide. Refused while it is too early. */
export const endPoll: Decide<Settling & { readonly now: Instant }, PollEvent, Poll> = (command, state) => {
  if (state.phase !== 'open' || !state.created) return nothing;
  if (command.now < state.created.expiresAt) return refuse('command.pending', 'there is time left');
  return accept(...ended(state, [], true, command));
};

/** An authenticator that is none any more loses its ballot; a vote that it cast stays. */
export const voidBallots: Decide<Settling & { readonly deviceIdentifiers: readonly string[] }, PollEvent, Poll> = (
  command,
  state,
) => {
  if (state.phase !== 'open') return nothing;
  const voided = state.ballots
    .filter((ballot) => ballot.state === 'open' && command.deviceIdentifiers.includes(ballot.deviceIdentifier))
    .map((ballot) => voidedFor(state, ballot, 'authenticator_removed'));
  return voided.length === 0 ? nothing : accept(...voided, ...ended(state, voided, false, command));
};

export interface CancelPoll {
  /** Whose poll it is; null = whoever cancels may. */
  readonly owner: string | null;
  /**
   * Where the poll may not be there yet, because it is still being opened: what is recorded of it, so that it is never
   * opened. Null: a poll that is not there is unknown.
   */
  readonly announced: Pick<
    PollData<'poll.resolved'>,
    'poolId' | 'chainId' | 'profileId' | 'commandId' | 'gated'
  > | null;
  readonly hash: Settling['hash'];
}

export const cancelPoll: Decide<CancelPoll, PollEvent, Poll> = ({ owner, announced, hash }, state) => {
  if (state.phase === 'absent' && announced) {
    const none = { yes: 0, no: 0, ballotsIssued: 0, votes: [], nextPoolId: null };
    const data = { ...announced, outcome: 'cancelled', reason: reasons.cancelled, ...none } as const;
    return accept({ type: 'poll.resolved', version: 1, data });
  }
  if (!state.created || (owner !== null && state.created.profileId !== owner)) return refuse('poll.not_found');
  if (state.phase !== 'open') return refuse('poll.not_open');
  return accept(...resolution(state, state.created, 'cancelled', null, hash));
};

/** Why a vote does not count, or null. */
function discardFor(
  ballot: Ballot | undefined,
  receivedAt: Instant,
): PollData<'ballot.vote_discarded'>['reason'] | null {
  if (!ballot) return 'unknown';
  if (ballot.state === 'cast') return 'duplicate';
  const late = receivedAt >= ballot.expiresAt;
  if (ballot.state === 'voided') return late && ballot.voidedFor === 'poll_resolved' ? 'expired' : 'voided';
  return late ? 'expired' : null;
}

/** The end of the poll, if these events have brought it. */
function ended(
  before: Poll,
  events: readonly PollEvent[],
  timeIsOver: boolean,
  { nextPoolId, hash }: Settling,
): PollEvent[] {
  const state = events.reduce((now, event) => poll.evolve(now, event), before);
  const { created } = state;
  if (!created) return [];
  const outcome = verdict(created, tallyOf(state), timeIsOver);
  if (outcome === null) return [];
  const again = outcome !== 'succeeded' && created.attempt < created.maxAttempts;
  return resolution(state, created, outcome, again ? nextPoolId : null, hash);
}

function resolution(
  state: Poll,
  { poolId, chainId, profileId, commandId, gated }: PollData<'poll.created'>,
  outcome: Outcome | 'cancelled',
  nextPoolId: string | null,
  hash: Settling['hash'],
): PollEvent[] {
  const { yes, no } = tallyOf(state);
  const votes = state.ballots
    .filter((ballot) => ballot.state === 'cast')
    .map(({ ballotId, voteStatement }) => ({
      ballotId,
      statementHash: voteStatement === null ? null : hash(voteStatement),
    }));
  const resolved: PollEvent = {
    type: 'poll.resolved',
    version: 1,
    data: {
      ...{ poolId, chainId, profileId, commandId, gated, outcome, reason: reasons[outcome] },
      ...{ yes, no, ballotsIssued: state.ballots.length, votes, nextPoolId },
    },
  };
  const reason = outcome === 'cancelled' ? 'poll_cancelled' : 'poll_resolved';
  const open = state.ballots.filter((ballot) => ballot.state === 'open');
  return [resolved, ...open.map((ballot) => voidedFor(state, ballot, reason))];
}

function voidedFor(state: Poll, ballot: Ballot, reason: PollData<'ballot.voided'>['reason']): PollEvent {
  return { type: 'ballot.voided', version: 1, data: { ...about(state, ballot), reason } };
}

function about({ created }: Poll, { ballotId, deviceIdentifier }: Ballot) {
  return { ballotId, poolId: created?.poolId ?? '', deviceIdentifier };
}
