import type { Slice } from '@symbolon/http';
import { ReserveTokenController } from './reserve-token.controller';
import { ReserveTokenHandler } from './reserve-token.handler';

export const reserveTokenSlice: Slice = { controllers: [ReserveTokenController], providers: [ReserveTokenHandler] };
