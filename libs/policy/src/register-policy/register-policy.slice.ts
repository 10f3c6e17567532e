import type { Slice } from '@symbolon/http';
import { RegisterPolicyController } from './register-policy.controller';
import { RegisterPolicyHandler } from './register-policy.handler';

export const registerPolicySlice: Slice = {
  controllers: [RegisterPolicyController],
  providers: [RegisterPolicyHandler],
};
