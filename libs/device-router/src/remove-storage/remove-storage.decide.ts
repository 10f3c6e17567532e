import { accept, type Decide, refuse } from '@symbolon/kernel';
import type { DeviceEvent } from '../device/device.events';
import type { Device } from '../device/device.model';

export interface RemoveStorage {
  readonly deviceIdentifier: string;
  readonly profileId: string;
}

/** Ends the role for this profile; a device of somebody else's may store its data. */
export const removeStorage: Decide<RemoveStorage, DeviceEvent, Device> = ({ deviceIdentifier, profileId }, state) => {
  if (state.phase !== 'approved' || !state.storesFor.includes(profileId)) return refuse('storage.not_registered');
  return accept({ type: 'storage.removed', version: 1, data: { deviceIdentifier, profileId } });
};
