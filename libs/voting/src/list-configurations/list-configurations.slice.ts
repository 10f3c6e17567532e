import type { Slice } from '@symbolon/http';
import { Configurations } from './configurations.query';
import { ListConfigurationsController } from './list-configurations.controller';

export const listConfigurationsSlice: Slice = {
  controllers: [ListConfigurationsController],
  providers: [Configurations],
};
