import type { Voting, VotingEvent } from '@symbolon/contracts';
import { accept, type Decide } from '@symbolon/kernel';

export interface SetTimeLimit {
  readonly profileId: string;
  /** Seconds. */
  readonly timeLimit: number;
}

/** No policy is out of reach by it. */
export const setTimeLimit: Decide<SetTimeLimit, VotingEvent, Voting> = ({ profileId, timeLimit }) =>
  accept({ type: 'voting.time_limit_set', version: 1, data: { profileId, timeLimit } });
