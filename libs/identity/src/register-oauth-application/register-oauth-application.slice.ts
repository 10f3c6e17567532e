import type { Slice } from '@symbolon/http';
import { RegisterOAuthApplicationController } from './register-oauth-application.controller';
import { RegisterOAuthApplicationHandler } from './register-oauth-application.handler';

export const registerOAuthApplicationSlice: Slice = {
  controllers: [RegisterOAuthApplicationController],
  providers: [RegisterOAuthApplicationHandler],
};
