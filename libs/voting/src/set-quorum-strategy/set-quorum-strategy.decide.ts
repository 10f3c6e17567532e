import type { Policies, Strategy, Voting, VotingEvent } from '@symbolon/contracts';
import { accept, type Decide, refuse } from '@symbolon/kernel';
import { keepsPolicies } from '../configuration/configuration.decide';

export interface SetQuorumStrategy {
  readonly profileId: string;
  readonly strategy: Strategy;
  readonly policies: Policies;
}

export const setQuorumStrategy: Decide<SetQuorumStrategy, VotingEvent, Voting> = (
  { profileId, strategy, policies },
  state,
) => {
  const event: VotingEvent = { type: 'voting.quorum_strategy_set', version: 1, data: { profileId, ...strategy } };
  return keepsPolicies(state, policies, [event]) ? accept(event) : refuse('voting.quorum_exceeds_authenticators');
};
