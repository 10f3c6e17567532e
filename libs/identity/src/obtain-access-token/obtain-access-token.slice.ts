import type { Slice } from '@symbolon/http';
import { ObtainAccessTokenController } from './obtain-access-token.controller';

export const obtainAccessTokenSlice: Slice = { controllers: [ObtainAccessTokenController] };
