import type { Slice } from '@symbolon/http';
import { RejectDeviceHandler } from './reject-device.handler';
import { RejectDeviceController } from './reject-device.controller';

export const rejectDeviceSlice: Slice = { controllers: [RejectDeviceController], providers: [RejectDeviceHandler] };
