export { activatePolicySlice } from './activate-policy/activate-policy.slice';
export { deactivatePolicySlice } from './deactivate-policy/deactivate-policy.slice';
export { deletePolicySlice } from './delete-policy/delete-policy.slice';
export { listPolicies } from './list-policies/list-policies.slice';
export { listTemplates } from './list-templates/list-templates.slice';
export { registerPolicySlice } from './register-policy/register-policy.slice';
export { retrievePolicy } from './retrieve-policy/retrieve-policy.slice';
