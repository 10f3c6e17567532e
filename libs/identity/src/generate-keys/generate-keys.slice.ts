import type { Slice } from '@symbolon/http';
import { GenerateKeysController } from './generate-keys.controller';

export const generateKeysSlice: Slice = { controllers: [GenerateKeysController] };
