import { accept, type Decide, nothing } from '@symbolon/kernel';
import type { DeviceEvent } from '../device/device.events';
import type { Device } from '../device/device.model';
import { removal } from '../remove-device/remove-device.decide';

export interface RemoveWithProfile {
  readonly deviceIdentifier: string;
  readonly owner: string;
}

/** The owner is gone, and so is the device, approved or not. */
export const removeWithProfile: Decide<RemoveWithProfile, DeviceEvent, Device> = (
  { deviceIdentifier, owner },
  state,
) =>
  state.owner === owner && (state.phase === 'pending' || state.phase === 'approved')
    ? accept(...removal(deviceIdentifier, state))
    : nothing;
