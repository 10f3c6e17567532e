import type { Slice } from '@symbolon/http';
import { BarDeviceHandler } from './bar-profile.handler';

export const barProfileSlice: Slice = { providers: [BarDeviceHandler] };
