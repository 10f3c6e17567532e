import type { Slice } from '@symbolon/http';
import { ListOAuthApplicationsController } from './list-oauth-applications.controller';

export const listOAuthApplicationsSlice: Slice = { controllers: [ListOAuthApplicationsController] };
