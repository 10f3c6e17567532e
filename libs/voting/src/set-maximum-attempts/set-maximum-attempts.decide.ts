import type { Voting, VotingEvent } from '@symbolon/contracts';
import { accept, type Decide } from '@symbolon/kernel';

export interface SetMaximumAttempts {
  readonly profileId: string;
  readonly numberOfAttempts: number;
}

/** No policy is out of reach by it. */
export const setMaximumAttempts: Decide<SetMaximumAttempts, VotingEvent, Voting> = ({ profileId, numberOfAttempts }) =>
  accept({ type: 'voting.max_attempts_set', version: 1, data: { profileId, numberOfAttempts } });
