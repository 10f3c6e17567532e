import type { Slice } from '@symbolon/http';
import { DeleteDataController } from './delete-data.controller';
import { DeleteDataHandler } from './delete-data.handler';

export const deleteDataSlice: Slice = { controllers: [DeleteDataController], providers: [DeleteDataHandler] };
