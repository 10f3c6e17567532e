import type { DeviceEvent } from './device.events';

export const ada = '01937b40-0000-7000-8000-00000000ada0';
export const eve = '01937b40-0000-7000-8000-00000000e0e0';
export const deviceIdentifier = '01937b49-0c11-7f3e-8d02-5a6b7c8d9e0f';
const clientId = '01937b49-1111-7f3e-8d02-5a6b7c8d9e0f';

type Of<T extends DeviceEvent['type']> = Extract<DeviceEvent, { type: T }>;

export const registered: Of<'device.registration_requested'> = {
  type: 'device.registration_requested',
  version: 1,
  data: { deviceIdentifier, ownerProfileId: ada, clientId, loginKeyId: 'login-key' },
  personal: { subject: ada, fields: { deviceName: 'attic server', meta: null, loginOnce: 'sealed login' } },
};
export const loginShown: Of<'device.identifier_retrieved'> = {
  type: 'device.identifier_retrieved',
  version: 1,
  data: { deviceIdentifier },
};
export const approved: Of<'device.approved'> = {
  type: 'device.approved',
  version: 1,
  data: { deviceIdentifier, clientSecretHash: 'hash 1', secretKeyId: 'secret-key 1' },
  personal: { subject: ada, fields: { clientSecretOnce: 'sealed secret 1' } },
};
export const rejected: Of<'device.rejected'> = { type: 'device.rejected', version: 1, data: { deviceIdentifier } };
export const retrieved: Of<'device.configuration_retrieved'> = {
  type: 'device.configuration_retrieved',
  version: 1,
  data: { deviceIdentifier, secretsShown: true },
};
export const retrievedAgain: Of<'device.configuration_retrieved'> = {
  ...retrieved,
  data: { deviceIdentifier, secretsShown: false },
};
export const rotated: Of<'device.configuration_rotated'> = {
  type: 'device.configuration_rotated',
  version: 1,
  data: { deviceIdentifier, clientSecretHash: 'hash 2', secretKeyId: 'secret-key 2' },
  personal: { subject: ada, fields: { clientSecretOnce: 'sealed secret 2' } },
};
export const renamed: Of<'device.meta_configured'> = {
  type: 'device.meta_configured',
  version: 1,
  data: { deviceIdentifier, changed: ['deviceName'] },
  personal: { subject: ada, fields: { deviceName: 'cellar server' } },
};
export const removed: Of<'device.removed'> = { type: 'device.removed', version: 1, data: { deviceIdentifier } };
export const storing: Of<'storage.registered'> = {
  type: 'storage.registered',
  version: 1,
  data: { deviceIdentifier, profileId: ada },
};
export const storingNoMore: Of<'storage.removed'> = {
  type: 'storage.removed',
  version: 1,
  data: { deviceIdentifier, profileId: ada },
};
