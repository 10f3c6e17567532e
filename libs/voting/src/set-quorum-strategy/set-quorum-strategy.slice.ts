import type { Slice } from '@symbolon/http';
import { SetQuorumStrategyController } from './set-quorum-strategy.controller';
import { SetQuorumStrategyHandler } from './set-quorum-strategy.handler';

export const setQuorumStrategySlice: Slice = {
  controllers: [SetQuorumStrategyController],
  providers: [SetQuorumStrategyHandler],
};
