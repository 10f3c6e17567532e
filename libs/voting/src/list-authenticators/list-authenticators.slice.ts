import type { Slice } from '@symbolon/http';
import { ListAuthenticatorsController } from './list-authenticators.controller';
import { ListAuthenticators } from './list-authenticators.query';

export const listAuthenticatorsSlice: Slice = {
  controllers: [ListAuthenticatorsController],
  providers: [ListAuthenticators],
};
