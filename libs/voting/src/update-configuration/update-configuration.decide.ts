import type {
  Policies,
  Strategy,
  Voting,
  VotingConfiguration,
  VotingConfigurationFields,
  VotingEvent,
} from '@symbolon/contracts';
import { accept, type Decide, refuse } from '@symbolon/kernel';
import {
  areRegistered,
  categoryIsTaken,
  keepsPolicies,
  namedConfiguration,
} from '../configuration/configuration.decide';
import { percentageOf, withParameter } from '../strategy/strategy.decide';

export interface UpdateConfiguration {
  readonly id: string | null;
  readonly name: string | null;
  readonly strategy: Strategy | null;
  readonly parameter: Strategy | null;
  readonly fields: Partial<VotingConfigurationFields>;
  readonly policies: Policies;
}

export const updateConfiguration: Decide<UpdateConfiguration, VotingEvent, Voting> = (command, state) => {
  const { fields, policies } = command;
  const configuration = namedConfiguration(state, command);
  if (!configuration) return refuse('voting_configuration.not_found');
  if (categoryIsTaken(state, fields.category ?? null, configuration.id))
    return refuse('voting_configuration.category_taken');
  if (!areRegistered(state, fields.deviceIdentifiers ?? [])) return refuse('authenticator.not_registered');
  const data = { id: configuration.id, ...fields, ...strategyFields(command, configuration) };
  const event: VotingEvent = { type: 'voting_configuration.updated', version: 1, data };
  return keepsPolicies(state, policies, [event]) ? accept(event) : refuse('voting.quorum_exceeds_authenticators');
};

function strategyFields(
  { strategy, parameter }: Pick<UpdateConfiguration, 'strategy' | 'parameter'>,
  current: VotingConfiguration,
): Partial<VotingConfigurationFields> {
  const next = strategy ?? (parameter && withParameter(current, parameter));
  if (!next || next === current) return {};
  const { strategy: name, strategyParams, countRequired } = next;
  return { strategy: name, strategyParams, countRequired, percentageRequired: percentageOf(next) };
}
