import { accept, type Decide, refuse } from '@symbolon/kernel';
import type { DeviceEvent } from '../device/device.events';
import { belongsTo, type Device } from '../device/device.model';

export interface ApproveDevice {
  readonly deviceIdentifier: string;
  readonly owner: string;
  /** It must have a public key before, and has none. */
  readonly keyMissing: boolean;
  readonly clientSecretHash: string;
  readonly secretKeyId: string;
  readonly clientSecretOnce: string;
}

export const approveDevice: Decide<ApproveDevice, DeviceEvent, Device> = (
  { deviceIdentifier, owner, keyMissing, clientSecretHash, secretKeyId, clientSecretOnce },
  state,
) => {
  if (!belongsTo(owner, state)) return refuse('device.not_found');
  if (state.phase !== 'pending') return refuse('device.not_pending');
  if (keyMissing) return refuse('device.public_key_missing');
  return accept({
    type: 'device.approved',
    version: 1,
    data: { deviceIdentifier, clientSecretHash, secretKeyId },
    personal: { subject: owner, fields: { clientSecretOnce } },
  });
};
