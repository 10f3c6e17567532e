export { approveDeviceSlice } from './approve-device/approve-device.slice';
export { listDevices } from './list-devices/list-devices.slice';
export { listStorage } from './list-storage/list-storage.slice';
export { registerStorageSlice } from './register-storage/register-storage.slice';
export { rejectDeviceSlice } from './reject-device/reject-device.slice';
export { requestIdentifier } from './request-identifier/request-identifier.slice';
export { retrieveConfiguration } from './retrieve-configuration/retrieve-configuration.slice';
export { retrieveIdentifier } from './retrieve-identifier/retrieve-identifier.slice';
