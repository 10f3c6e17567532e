import type { Slice } from '@symbolon/http';
import { OpenGatePolls } from './open-gate-polls.reactor';

export const openGatePollsSlice: Slice = { providers: [OpenGatePolls] };
