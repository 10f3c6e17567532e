import type { Slice } from '@symbolon/http';
import { Departures } from './departures';
import { RemoveDeviceController } from './remove-device.controller';
import { RemoveDeviceHandler } from './remove-device.handler';

export const removeDeviceSlice: Slice = {
  controllers: [RemoveDeviceController],
  providers: [RemoveDeviceHandler, Departures],
};
