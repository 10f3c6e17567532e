import type { Slice } from '@symbolon/http';
import { ActivatePolicyController } from './activate-policy.controller';
import { ActivatePolicyHandler } from './activate-policy.handler';

export const activatePolicySlice: Slice = {
  controllers: [ActivatePolicyController],
  providers: [ActivatePolicyHandler],
};
