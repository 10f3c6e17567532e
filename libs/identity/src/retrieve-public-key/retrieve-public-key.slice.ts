import type { Slice } from '@symbolon/http';
import { RetrievePublicKeyController } from './retrieve-public-key.controller';

export const retrievePublicKeySlice: Slice = { controllers: [RetrievePublicKeyController] };
