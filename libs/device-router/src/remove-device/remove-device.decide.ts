import { accept, type Decide, refuse } from '@symbolon/kernel';
import type { DeviceEvent } from '../device/device.events';
import { belongsTo, type Device } from '../device/device.model';

export interface RemoveDevice {
  readonly deviceIdentifier: string;
  readonly owner: string;
}

/** Final, and with it every storage role. A device that was never approved is rejected instead (ADR 0025). */
export const removeDevice: Decide<RemoveDevice, DeviceEvent, Device> = ({ deviceIdentifier, owner }, state) => {
  if (!belongsTo(owner, state) || state.phase !== 'approved') return refuse('device.not_found');
  return accept(...removal(deviceIdentifier, state));
};

/** What the end of a device means, whatever ends it. */
export function removal(deviceIdentifier: string, { storesFor }: Device): DeviceEvent[] {
  return [
    { type: 'device.removed', version: 1, data: { deviceIdentifier } },
    ...storesFor.map<DeviceEvent>((profileId) => ({
      type: 'storage.removed',
      version: 1,
      data: { deviceIdentifier, profileId },
    })),
  ];
}
