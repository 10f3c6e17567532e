import type { Slice } from '@symbolon/http';
import { CreateVotingController } from './create-voting.controller';
import { CreateVotingHandler } from './create-voting.handler';

export const createVotingSlice: Slice = { controllers: [CreateVotingController], providers: [CreateVotingHandler] };
