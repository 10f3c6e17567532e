import type { Policies, Voting, VotingEvent } from '@symbolon/contracts';
import { accept, type Decide, refuse } from '@symbolon/kernel';
import { keepsPolicies, namedConfiguration } from '../configuration/configuration.decide';

export interface DeleteConfiguration {
  readonly id: string | null;
  readonly name: string | null;
  readonly policies: Policies;
}

/** In use: a registered policy names it, or without what it sets for its category an active one is out of reach. */
export const deleteConfiguration: Decide<DeleteConfiguration, VotingEvent, Voting> = (command, state) => {
  const configuration = namedConfiguration(state, command);
  if (!configuration) return refuse('voting_configuration.not_found');
  const { id, name } = configuration;
  const { policies } = command;
  const event: VotingEvent = { type: 'voting_configuration.deleted', version: 1, data: { id, name } };
  const isNamed = [...policies.byId.values()].some(({ votingConfigurationId }) => votingConfigurationId === id);
  return isNamed || !keepsPolicies(state, policies, [event]) ? refuse('voting_configuration.in_use') : accept(event);
};
