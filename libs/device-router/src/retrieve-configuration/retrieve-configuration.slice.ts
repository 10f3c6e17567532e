import type { Slice } from '@symbolon/http';
import { DeviceConfiguration } from './device-configuration';
import { RetrieveConfigurationController } from './retrieve-configuration.controller';

export const retrieveConfiguration: Slice = {
  controllers: [RetrieveConfigurationController],
  providers: [DeviceConfiguration],
};
