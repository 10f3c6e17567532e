import type { Model } from '@symbolon/kernel';
import type { Tally } from '../strategy/strategy.decide';
import type { PollData, PollEvent } from './poll.events';

export interface Ballot {
  readonly ballotId: string;
  readonly deviceIdentifier: string;
  readonly expiresAt: string;
  /** What the server stated when it issued the ballot. */
  readonly statement: string;
  readonly state: 'open' | 'cast' | 'voided';
  readonly vote: PollData<'ballot.cast'>['vote'] | null;
  /** What the device stated with its vote; null without signing key. */
  readonly voteStatement: string | null;
  readonly voidedFor: PollData<'ballot.voided'>['reason'] | null;
}

export interface Poll {
  readonly phase: 'absent' | 'open' | 'resolved' | 'refused';
  readonly created: PollData<'poll.created'> | null;
  readonly ballots: readonly Ballot[];
  /** The next attempt, once this one has failed. */
  readonly nextPoolId: string | null;
}

export const poll: Model<PollEvent, Poll> = {
  category: 'poll',
  initial: { phase: 'absent', created: null, ballots: [], nextPoolId: null },
  evolve(state, { type, data }) {
    switch (type) {
      case 'poll.created':
        return { ...state, phase: 'open', created: data };
      case 'ballot.issued': {
        const { ballotId, deviceIdentifier, expiresAt, statement } = data;
        const issued = { ballotId, deviceIdentifier, expiresAt, statement };
        return {
          ...state,
          ballots: [...state.ballots, { ...issued, state: 'open', vote: null, voteStatement: null, voidedFor: null }],
        };
      }
      case 'ballot.cast':
        return changed(state, data.ballotId, { state: 'cast', vote: data.vote, voteStatement: data.statement });
      case 'ballot.voided':
        return changed(state, data.ballotId, { state: 'voided', voidedFor: data.reason });
      case 'poll.resolved':
        return { ...state, phase: 'resolved', nextPoolId: data.nextPoolId };
      case 'poll.refused':
        return { ...state, phase: 'refused' };
      default:
        return state;
    }
  },
};

export function tallyOf({ ballots }: Poll): Tally {
  return {
    yes: ballots.filter(({ vote }) => vote === 'yes').length,
    no: ballots.filter(({ vote }) => vote === 'no').length,
    open: ballots.filter(({ state }) => state === 'open').length,
  };
}

function changed(state: Poll, ballotId: string, change: Partial<Ballot>): Poll {
  return {
    ...state,
    ballots: state.ballots.map((ballot) => (ballot.ballotId === ballotId ? { ...ballot, ...change } : ballot)),
  };
}
