import type { Slice } from '@symbolon/http';
import { ReauthorizeTokenController } from './reauthorize-token.controller';
import { ReauthorizeHandler } from './reauthorize-token.handler';

export const reauthorizeTokenSlice: Slice = {
  controllers: [ReauthorizeTokenController],
  providers: [ReauthorizeHandler],
};
