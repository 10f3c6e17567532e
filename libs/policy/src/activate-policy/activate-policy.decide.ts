import { isSatisfiable, type Voting } from '@symbolon/contracts';
import { accept, type Decide, refuse } from '@symbolon/kernel';
import type { PolicyEvent } from '../policy/policy.events';
import { policyOf, type PolicyRef, type PolicySet } from '../policy/policy.model';

export interface ActivatePolicy {
  readonly ref: PolicyRef;
  readonly voting: Voting;
}

/** Only where the votes that it will ask for can be held. */
export const activatePolicy: Decide<ActivatePolicy, PolicyEvent, PolicySet> = ({ ref, voting }, state) => {
  const policy = policyOf(state, ref);
  if (!policy) return refuse('policy.not_found');
  if (policy.active) return refuse('policy.already_active');
  if (!isSatisfiable(policy, voting)) return refuse('policy.no_authenticators');
  return accept({ type: 'policy.activated', version: 1, data: { id: policy.id } });
};
