import type { Slice } from '@symbolon/http';
import { ListStorageController } from './list-storage.controller';

export const listStorage: Slice = { controllers: [ListStorageController] };
