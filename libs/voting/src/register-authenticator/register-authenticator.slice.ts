import type { Slice } from '@symbolon/http';
import { RegisterAuthenticatorController } from './register-authenticator.controller';
import { RegisterAuthenticatorHandler } from './register-authenticator.handler';

export const registerAuthenticatorSlice: Slice = {
  controllers: [RegisterAuthenticatorController],
  providers: [RegisterAuthenticatorHandler],
};
