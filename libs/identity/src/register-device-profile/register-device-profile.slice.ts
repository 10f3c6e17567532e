import type { Slice } from '@symbolon/http';
import { RegisterDeviceProfileHandler } from './register-device-profile.handler';

export const registerDeviceProfileSlice: Slice = { providers: [RegisterDeviceProfileHandler] };
