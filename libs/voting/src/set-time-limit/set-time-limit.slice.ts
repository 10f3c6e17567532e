import type { Slice } from '@symbolon/http';
import { SetTimeLimitController } from './set-time-limit.controller';
import { SetTimeLimitHandler } from './set-time-limit.handler';

export const setTimeLimitSlice: Slice = { controllers: [SetTimeLimitController], providers: [SetTimeLimitHandler] };
