import type { Slice } from '@symbolon/http';
import { CheckPoolController } from './check-pool.controller';
import { Pools } from './pools.query';

export const checkPoolSlice: Slice = { controllers: [CheckPoolController], providers: [Pools] };
