import type { Slice } from '@symbolon/http';
import { RefreshAccessTokenController } from './refresh-access-token.controller';

export const refreshAccessTokenSlice: Slice = { controllers: [RefreshAccessTokenController] };
