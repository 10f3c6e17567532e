import type { Slice } from '@symbolon/http';
import { ListPoliciesController } from './list-policies.controller';

export const listPolicies: Slice = { controllers: [ListPoliciesController] };
