import { type Policies, policies, type RegisteredPolicy } from '@symbolon/contracts';

/** Stream `policies-<profileId>`: the fold is part of the published language, for whoever asks what is held. */
export const policySet = policies;
export type PolicySet = Policies;

/** How a command names a policy. */
export type PolicyRef = { readonly policyId: string } | { readonly name: string };

export function policyOf({ byId }: PolicySet, ref: PolicyRef): RegisteredPolicy | null {
  if ('policyId' in ref) return byId.get(ref.policyId) ?? null;
  return [...byId.values()].find(({ name }) => name === ref.name) ?? null;
}
