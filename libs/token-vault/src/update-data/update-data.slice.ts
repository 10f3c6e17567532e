import type { Slice } from '@symbolon/http';
import { UpdateDataController } from './update-data.controller';
import { UpdateDataHandler } from './update-data.handler';

export const updateDataSlice: Slice = { controllers: [UpdateDataController], providers: [UpdateDataHandler] };
