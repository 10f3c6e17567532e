export type { DeviceEvent } from '@symbolon/contracts';
