import type { Slice } from '@symbolon/http';
import { ApproveDeviceHandler } from './approve-device.handler';
import { ApproveDeviceController } from './approve-device.controller';

export const approveDeviceSlice: Slice = { controllers: [ApproveDeviceController], providers: [ApproveDeviceHandler] };
