import type { Slice } from '@symbolon/http';
import { DeleteConfigurationController } from './delete-configuration.controller';
import { DeleteConfigurationHandler } from './delete-configuration.handler';

export const deleteConfigurationSlice: Slice = {
  controllers: [DeleteConfigurationController],
  providers: [DeleteConfigurationHandler],
};
