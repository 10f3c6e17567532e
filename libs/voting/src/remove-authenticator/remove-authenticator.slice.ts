import type { Slice } from '@symbolon/http';
import { RemoveAuthenticatorController } from './remove-authenticator.controller';
import { RemoveAuthenticatorHandler } from './remove-authenticator.handler';

export const removeAuthenticatorSlice: Slice = {
  controllers: [RemoveAuthenticatorController],
  providers: [RemoveAuthenticatorHandler],
};
