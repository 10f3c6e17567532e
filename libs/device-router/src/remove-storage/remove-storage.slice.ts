import type { Slice } from '@symbolon/http';
import { RemoveStorageController } from './remove-storage.controller';
import { RemoveStorageHandler } from './remove-storage.handler';

export const removeStorageSlice: Slice = { controllers: [RemoveStorageController], providers: [RemoveStorageHandler] };
