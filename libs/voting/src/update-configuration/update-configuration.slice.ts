import type { Slice } from '@symbolon/http';
import { UpdateConfigurationController } from './update-configuration.controller';
import { UpdateConfigurationHandler } from './update-configuration.handler';

export const updateConfigurationSlice: Slice = {
  controllers: [UpdateConfigurationController],
  providers: [UpdateConfigurationHandler],
};
