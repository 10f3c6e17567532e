import type { Slice } from '@symbolon/http';
import { RegisterConfigurationController } from './register-configuration.controller';
import { RegisterConfigurationHandler } from './register-configuration.handler';

export const registerConfigurationSlice: Slice = {
  controllers: [RegisterConfigurationController],
  providers: [RegisterConfigurationHandler],
};
