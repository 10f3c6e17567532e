import type { Slice } from '@symbolon/http';
import { RetrievePolicyController } from './retrieve-policy.controller';

export const retrievePolicy: Slice = { controllers: [RetrievePolicyController] };
