import type { Slice } from '@symbolon/http';
import { RetrieveOAuthConfigurationController } from './retrieve-oauth-configuration.controller';

export const retrieveOAuthConfigurationSlice: Slice = { controllers: [RetrieveOAuthConfigurationController] };
