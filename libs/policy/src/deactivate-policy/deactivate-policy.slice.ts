import type { Slice } from '@symbolon/http';
import { DeactivatePolicyController } from './deactivate-policy.controller';
import { DeactivatePolicyHandler } from './deactivate-policy.handler';

export const deactivatePolicySlice: Slice = {
  controllers: [DeactivatePolicyController],
  providers: [DeactivatePolicyHandler],
};
