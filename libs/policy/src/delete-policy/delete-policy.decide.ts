import { accept, type Decide, refuse } from '@symbolon/kernel';
import type { PolicyEvent } from '../policy/policy.events';
import { policyOf, type PolicyRef, type PolicySet } from '../policy/policy.model';

export interface DeletePolicy {
  readonly ref: PolicyRef;
}

export const deletePolicy: Decide<DeletePolicy, PolicyEvent, PolicySet> = ({ ref }, state) => {
  const policy = policyOf(state, ref);
  if (!policy) return refuse('policy.not_found');
  if (policy.active) return refuse('policy.active');
  return accept({ type: 'policy.deleted', version: 1, data: { id: policy.id } });
};
