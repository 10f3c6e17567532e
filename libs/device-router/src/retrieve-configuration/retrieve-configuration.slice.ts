import type { Slice } from '@symbolon/http';
import { DeviceConfiguration } from './device-configuration';
import { RetrieveConfigurationController } from './retrieve-configuration.controller';
import { RotateConfigurationHandler } from './rotate-configuration.handler';

export const retrieveConfiguration: Slice = {
  controllers: [RetrieveConfigurationController],
  providers: [DeviceConfiguration, RotateConfigurationHandler],
};
