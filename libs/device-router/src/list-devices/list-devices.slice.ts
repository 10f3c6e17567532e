import type { Slice } from '@symbolon/http';
import { ListDevicesController } from './list-devices.controller';

export const listDevices: Slice = { controllers: [ListDevicesController] };
