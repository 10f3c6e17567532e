import type { Policies, Voting, VotingEvent } from '@symbolon/contracts';
import { accept, type Decide, refuse } from '@symbolon/kernel';
import { keepsPolicies } from '../configuration/configuration.decide';

export interface SetQuorumSize {
  readonly profileId: string;
  readonly quorumSize: number;
  readonly policies: Policies;
}

export const setQuorumSize: Decide<SetQuorumSize, VotingEvent, Voting> = (
  { profileId, quorumSize, policies },
  state,
) => {
  const event: VotingEvent = { type: 'voting.quorum_size_set', version: 1, data: { profileId, quorumSize } };
  return keepsPolicies(state, policies, [event]) ? accept(event) : refuse('voting.quorum_exceeds_authenticators');
};
