import { accept, type Decide, refuse } from '@symbolon/kernel';
import type { DeviceEvent } from '../device/device.events';
import { belongsTo, type Device } from '../device/device.model';

export interface RegisterStorage {
  readonly deviceIdentifier: string;
  readonly owner: string;
  readonly hasKey: boolean;
}

export const registerStorage: Decide<RegisterStorage, DeviceEvent, Device> = (
  { deviceIdentifier, owner, hasKey },
  state,
) => {
  if (!belongsTo(owner, state)) return refuse('device.not_found');
  if (state.phase !== 'approved') return refuse('device.not_approved');
  if (!hasKey) return refuse('device.public_key_missing');
  if (state.storesFor.includes(owner)) return refuse('storage.already_registered');
  return accept({ type: 'storage.registered', version: 1, data: { deviceIdentifier, profileId: owner } });
};
