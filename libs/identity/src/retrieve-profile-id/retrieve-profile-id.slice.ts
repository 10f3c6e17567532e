import type { Slice } from '@symbolon/http';
import { RetrieveProfileIdController } from './retrieve-profile-id.controller';

export const retrieveProfileIdSlice: Slice = { controllers: [RetrieveProfileIdController] };
