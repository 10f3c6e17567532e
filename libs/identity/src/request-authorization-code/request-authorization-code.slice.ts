import type { Slice } from '@symbolon/http';
import { Nonces } from './nonces';
import { RequestAuthorizationCodeController } from './request-authorization-code.controller';
import { RequestAuthorizationCodeHandler } from './request-authorization-code.handler';

export const requestAuthorizationCodeSlice: Slice = {
  controllers: [RequestAuthorizationCodeController],
  providers: [Nonces, RequestAuthorizationCodeHandler],
};
