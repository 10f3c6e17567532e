import { accept, type Decide, refuse } from '@symbolon/kernel';
import type { DeviceEvent } from '../device/device.events';
import { belongsTo, type Device } from '../device/device.model';

export interface ConfigureDeviceMeta {
  readonly deviceIdentifier: string;
  readonly owner: string;
  /** Null stays as it was. */
  readonly name: string | null;
  readonly meta: object | null;
}

export const configureDeviceMeta: Decide<ConfigureDeviceMeta, DeviceEvent, Device> = (
  { deviceIdentifier, owner, name, meta },
  state,
) => {
  if (!belongsTo(owner, state)) return refuse('device.not_found');
  const fields = { ...(name === null ? {} : { deviceName: name }), ...(meta === null ? {} : { meta }) };
  const changed = Object.keys(fields) as Array<keyof typeof fields>;
  return accept({
    type: 'device.meta_configured',
    version: 1,
    data: { deviceIdentifier, changed },
    personal: { subject: owner, fields },
  });
};
