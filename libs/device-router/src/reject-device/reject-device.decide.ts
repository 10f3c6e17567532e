import { accept, type Decide, refuse } from '@symbolon/kernel';
import type { DeviceEvent } from '../device/device.events';
import { belongsTo, type Device } from '../device/device.model';

export interface RejectDevice {
  readonly deviceIdentifier: string;
  readonly owner: string;
}

export const rejectDevice: Decide<RejectDevice, DeviceEvent, Device> = ({ deviceIdentifier, owner }, state) => {
  if (!belongsTo(owner, state)) return refuse('device.not_found');
  if (state.phase !== 'pending') return refuse('device.not_pending');
  return accept({ type: 'device.rejected', version: 1, data: { deviceIdentifier } });
};
