import type { Slice } from '@symbolon/http';
import { RetrieveStrategyController } from './retrieve-strategy.controller';
import { VotingSettings } from './voting-settings.query';

export const retrieveStrategySlice: Slice = { controllers: [RetrieveStrategyController], providers: [VotingSettings] };
