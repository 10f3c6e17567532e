export type { Address, LogLevel } from './forms';
export { type DescribedSetting, type Environment, SettingsError } from './settings-reader';
export { type ParcelPlace, type RabbitMqSettings, Settings } from './settings';
export { isServiceName, type ServiceAddresses, type ServiceName, serviceNames } from './services';
