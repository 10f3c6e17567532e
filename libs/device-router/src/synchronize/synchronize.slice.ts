import type { Slice } from '@symbolon/http';
import { Copies } from './copies';
import { Inventories } from './inventories';
import { Synchronizations } from './synchronizations';
import { SynchronizeController } from './synchronize.controller';
import { SynchronizeHandler } from './synchronize.handler';

export const synchronizeSlice: Slice = {
  controllers: [SynchronizeController],
  providers: [SynchronizeHandler, Synchronizations, Inventories, Copies],
};
