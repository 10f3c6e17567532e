import type { Slice } from '@symbolon/http';
import { RetrieveOAuthScopeController } from './retrieve-oauth-scope.controller';

export const retrieveOAuthScopeSlice: Slice = { controllers: [RetrieveOAuthScopeController] };
