import type { Slice } from '@symbolon/http';
import { AuthorizationCodes } from './authorization-codes';
import { AuthorizationRequests } from './authorization-requests.query';
import { RetrieveAuthorizationCodeController } from './retrieve-authorization-code.controller';

export const retrieveAuthorizationCodeSlice: Slice = {
  controllers: [RetrieveAuthorizationCodeController],
  providers: [AuthorizationCodes, AuthorizationRequests],
};
