import type { Slice } from '@symbolon/http';
import { DeleteDataController } from './delete-data.controller';
import { DeleteDataHandler } from './delete-data.handler';
import { DestroyToken } from './destroy-token';

export const deleteDataSlice: Slice = {
  controllers: [DeleteDataController],
  providers: [DeleteDataHandler, DestroyToken],
};
