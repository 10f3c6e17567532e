import type { Slice } from '@symbolon/http';
import { DeletePolicyController } from './delete-policy.controller';
import { DeletePolicyHandler } from './delete-policy.handler';

export const deletePolicySlice: Slice = { controllers: [DeletePolicyController], providers: [DeletePolicyHandler] };
