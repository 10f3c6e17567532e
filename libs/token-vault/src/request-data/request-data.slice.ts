import type { Slice } from '@symbolon/http';
import { RequestDataController } from './request-data.controller';
import { RequestDataHandler } from './request-data.handler';

export const requestDataSlice: Slice = { controllers: [RequestDataController], providers: [RequestDataHandler] };
