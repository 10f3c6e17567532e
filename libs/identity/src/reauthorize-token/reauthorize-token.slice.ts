import type { Slice } from '@symbolon/http';
import { ReauthorizeTokenController } from './reauthorize-token.controller';

export const reauthorizeTokenSlice: Slice = { controllers: [ReauthorizeTokenController] };
