import type { Slice } from '@symbolon/http';
import { ServerKeysController } from './server-keys.controller';

export const serverKeysSlice: Slice = { controllers: [ServerKeysController] };
