import type { Slice } from '@symbolon/http';
import { CancelPoolController } from './cancel-pool.controller';
import { CancelPoolHandler } from './cancel-pool.handler';

export const cancelPoolSlice: Slice = { controllers: [CancelPoolController], providers: [CancelPoolHandler] };
