import type { Slice } from '@symbolon/http';
import { SetQuorumSizeController } from './set-quorum-size.controller';
import { SetQuorumSizeHandler } from './set-quorum-size.handler';

export const setQuorumSizeSlice: Slice = { controllers: [SetQuorumSizeController], providers: [SetQuorumSizeHandler] };
