import type { Slice } from '@symbolon/http';
import { CountVotes } from './count-votes.reactor';

export const countVotesSlice: Slice = { providers: [CountVotes] };
