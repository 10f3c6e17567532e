import type { Slice } from '@symbolon/http';
import { RegisterPublicKeyController } from './register-public-key.controller';
import { RegisterPublicKeyHandler } from './register-public-key.handler';

export const registerPublicKeySlice: Slice = {
  controllers: [RegisterPublicKeyController],
  providers: [RegisterPublicKeyHandler],
};
