import type { Slice } from '@symbolon/http';
import { DepositAtDevices } from './deposit-at-devices.reactor';

export const depositAtDevicesSlice: Slice = { providers: [DepositAtDevices] };
