import { accept, type Decide, nothing, refuse } from '@symbolon/kernel';
import type { DeviceEvent } from '../device/device.events';
import type { Device } from '../device/device.model';

/** Shows the secret of this key, once; nothing happens where it was shown before or another one counts. */
export const showSecret: Decide<
  { readonly deviceIdentifier: string; readonly secretKeyId: string },
  DeviceEvent,
  Device
> = ({ deviceIdentifier, secretKeyId }, state) => {
  if (state.phase !== 'approved') return refuse('device.not_approved');
  if (state.secretShown || state.secretKeyId !== secretKeyId) return nothing;
  return accept(retrieved(deviceIdentifier, true));
};

export const recordRetrieval: Decide<{ readonly deviceIdentifier: string }, DeviceEvent, Device> = (
  { deviceIdentifier },
  { phase },
) => (phase === 'approved' ? accept(retrieved(deviceIdentifier, false)) : refuse('device.not_approved'));

export interface RotateSecret {
  readonly deviceIdentifier: string;
  readonly clientSecretHash: string;
  readonly secretKeyId: string;
  readonly clientSecretOnce: string;
}

/** A new secret in place of the old one, shown to whoever asked for it. */
export const rotateSecret: Decide<RotateSecret, DeviceEvent, Device> = (
  { deviceIdentifier, clientSecretHash, secretKeyId, clientSecretOnce },
  { phase, owner },
) => {
  if (phase !== 'approved' || owner === null) return refuse('device.not_approved');
  return accept<DeviceEvent>(
    {
      type: 'device.configuration_rotated',
      version: 1,
      data: { deviceIdentifier, clientSecretHash, secretKeyId },
      personal: { subject: owner, fields: { clientSecretOnce } },
    },
    retrieved(deviceIdentifier, true),
  );
};

/** A new secret that nobody has seen yet, in place of the old one. */
export const renewSecret: Decide<RotateSecret, DeviceEvent, Device> = (
  { deviceIdentifier, clientSecretHash, secretKeyId, clientSecretOnce },
  { phase, owner },
) => {
  if (phase !== 'approved' || owner === null) return refuse('device.not_approved');
  return accept({
    type: 'device.configuration_rotated',
    version: 1,
    data: { deviceIdentifier, clientSecretHash, secretKeyId },
    personal: { subject: owner, fields: { clientSecretOnce } },
  });
};

function retrieved(deviceIdentifier: string, secretsShown: boolean): DeviceEvent {
  return { type: 'device.configuration_retrieved', version: 1, data: { deviceIdentifier, secretsShown } };
}
