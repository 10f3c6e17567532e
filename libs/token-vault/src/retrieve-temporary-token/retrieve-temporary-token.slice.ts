import type { Slice } from '@symbolon/http';
import { IssueStreamAuthHandler } from './issue-stream-auth.handler';
import { RetrieveTemporaryTokenController } from './retrieve-temporary-token.controller';

export const retrieveTemporaryTokenSlice: Slice = {
  controllers: [RetrieveTemporaryTokenController],
  providers: [IssueStreamAuthHandler],
};
