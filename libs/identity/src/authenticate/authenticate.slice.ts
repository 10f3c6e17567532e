import type { Slice } from '@symbolon/http';
import { AuthenticateController } from './authenticate.controller';
import { AuthenticateHandler } from './authenticate.handler';
import { HeldLogins } from './held-logins';

export const authenticateSlice: Slice = {
  controllers: [AuthenticateController],
  providers: [AuthenticateHandler, HeldLogins],
};
