import type { Slice } from '@symbolon/http';
import { VoidBallots } from './void-ballots.reactor';

export const voidBallotsSlice: Slice = { providers: [VoidBallots] };
