import type { Slice } from '@symbolon/http';
import { RequestBatchController } from './request-batch.controller';
import { RequestBatchHandler } from './request-batch.handler';

export const requestBatchSlice: Slice = { controllers: [RequestBatchController], providers: [RequestBatchHandler] };
