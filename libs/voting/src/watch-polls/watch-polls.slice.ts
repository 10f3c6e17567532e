import type { Slice } from '@symbolon/http';
import { WatchPolls } from './watch-polls.reactor';

export const watchPollsSlice: Slice = { providers: [WatchPolls] };
