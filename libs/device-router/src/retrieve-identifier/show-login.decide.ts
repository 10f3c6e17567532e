import { accept, type Decide, nothing } from '@symbolon/kernel';
import type { DeviceEvent } from '../device/device.events';
import type { Device } from '../device/device.model';

/** The first call shows the login; of several at once one is the first. Nothing happens for the others. */
export const showLogin: Decide<{ readonly deviceIdentifier: string }, DeviceEvent, Device> = (
  { deviceIdentifier },
  { phase, loginShown },
) =>
  phase === 'absent' || loginShown
    ? nothing
    : accept({ type: 'device.identifier_retrieved', version: 1, data: { deviceIdentifier } });
