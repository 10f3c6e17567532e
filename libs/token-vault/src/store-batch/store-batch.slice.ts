import type { Slice } from '@symbolon/http';
import { StoreBatchController } from './store-batch.controller';
import { StoreBatchHandler } from './store-batch.handler';

export const storeBatchSlice: Slice = { controllers: [StoreBatchController], providers: [StoreBatchHandler] };
