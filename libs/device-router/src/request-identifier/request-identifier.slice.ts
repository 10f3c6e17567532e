import type { Slice } from '@symbolon/http';
import { RequestIdentifierController } from './request-identifier.controller';
import { RequestIdentifierHandler } from './request-identifier.handler';

export const requestIdentifier: Slice = {
  controllers: [RequestIdentifierController],
  providers: [RequestIdentifierHandler],
};
