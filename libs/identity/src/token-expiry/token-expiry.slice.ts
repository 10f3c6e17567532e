import type { Slice } from '@symbolon/http';
import { TokenExpiryController } from './token-expiry.controller';

export const tokenExpirySlice: Slice = { controllers: [TokenExpiryController] };
