import type { Policies, Voting, VotingConfigurationFields, VotingEvent } from '@symbolon/contracts';
import { accept, type Decide, refuse } from '@symbolon/kernel';
import { areRegistered, categoryIsTaken, keepsPolicies } from '../configuration/configuration.decide';

export interface RegisterConfiguration {
  readonly profileId: string;
  readonly id: string;
  readonly name: string;
  readonly fields: VotingConfigurationFields;
  readonly policies: Policies;
}

export const registerConfiguration: Decide<RegisterConfiguration, VotingEvent, Voting> = (
  { profileId, id, name, fields, policies },
  state,
) => {
  if ([...state.configurations.values()].some((one) => one.name === name))
    return refuse('voting_configuration.name_taken');
  if (categoryIsTaken(state, fields.category, id)) return refuse('voting_configuration.category_taken');
  if (!areRegistered(state, fields.deviceIdentifiers)) return refuse('authenticator.not_registered');
  const data = { id, profileId, name, ...fields };
  const event: VotingEvent = { type: 'voting_configuration.registered', version: 1, data };
  return keepsPolicies(state, policies, [event]) ? accept(event) : refuse('voting.quorum_exceeds_authenticators');
};
