import { accept, type Decide, nothing } from '@symbolon/kernel';
import type { DeviceEvent } from '../device/device.events';
import type { Device } from '../device/device.model';

export interface RegisterDevice {
  readonly deviceIdentifier: string;
  readonly ownerProfileId: string;
  readonly clientId: string;
  readonly deviceName: string;
  readonly meta: object | null;
  readonly loginKeyId: string;
  /** The device's password, sealed until it is shown. */
  readonly loginOnce: string;
}

export const registerDevice: Decide<RegisterDevice, DeviceEvent, Device> = (command, { phase }) => {
  if (phase !== 'absent') return nothing;
  const { deviceIdentifier, ownerProfileId, clientId, loginKeyId, deviceName, meta, loginOnce } = command;
  return accept({
    type: 'device.registration_requested',
    version: 1,
    data: { deviceIdentifier, ownerProfileId, clientId, loginKeyId },
    personal: { subject: ownerProfileId, fields: { deviceName, meta, loginOnce } },
  });
};
