import type { Slice } from '@symbolon/http';
import { ConfigureDeviceMetaController } from './configure-device-meta.controller';
import { ConfigureDeviceMetaHandler } from './configure-device-meta.handler';

export const configureDeviceMetaSlice: Slice = {
  controllers: [ConfigureDeviceMetaController],
  providers: [ConfigureDeviceMetaHandler],
};
