import type { Slice } from '@symbolon/http';
import { RegisterStorageHandler } from './register-storage.handler';
import { RegisterStorageController } from './register-storage.controller';

export const registerStorageSlice: Slice = {
  controllers: [RegisterStorageController],
  providers: [RegisterStorageHandler],
};
