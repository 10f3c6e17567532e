import type { Slice } from '@symbolon/http';
import { RevokeTokenController } from './revoke-token.controller';

export const revokeTokenSlice: Slice = { controllers: [RevokeTokenController] };
