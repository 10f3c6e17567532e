import type { Slice } from '@symbolon/http';
import { AuthenticateController } from './authenticate.controller';

export const authenticateSlice: Slice = { controllers: [AuthenticateController] };
