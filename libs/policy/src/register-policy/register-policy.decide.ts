import { accept, type Decide, refuse } from '@symbolon/kernel';
import type { PolicyEvent } from '../policy/policy.events';
import { policyOf, type PolicySet } from '../policy/policy.model';

export interface RegisterPolicy {
  readonly id: string;
  readonly profileId: string;
  readonly name: string;
  readonly policyTemplateId: string;
  readonly applyingEventIds: readonly string[];
  readonly configuration: object;
  /** Id; null = none is named. `missing`: one is, and does not exist. */
  readonly votingConfiguration: { readonly id: string } | 'missing' | null;
}

export const registerPolicy: Decide<RegisterPolicy, PolicyEvent, PolicySet> = (
  { id, profileId, name, policyTemplateId, applyingEventIds, configuration, votingConfiguration },
  state,
) => {
  if (policyOf(state, { name })) return refuse('policy.name_taken');
  if (votingConfiguration === 'missing') return refuse('voting_configuration.not_found');
  const votingConfigurationId = votingConfiguration?.id ?? null;
  return accept({
    type: 'policy.registered',
    version: 1,
    data: { id, profileId, name, policyTemplateId, applyingEventIds, votingConfigurationId },
    personal: { subject: profileId, fields: { configuration: { ...configuration } } },
  });
};
