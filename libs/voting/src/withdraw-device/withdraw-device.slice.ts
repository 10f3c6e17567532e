import type { Slice } from '@symbolon/http';
import { WithdrawDeviceHandler } from './withdraw-device.handler';

export const withdrawDeviceSlice: Slice = { providers: [WithdrawDeviceHandler] };
