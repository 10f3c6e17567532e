export type { Address, LogLevel } from './forms';
export { type DescribedSetting, type Environment, SettingsError } from './settings-reader';
export { type RabbitMqSettings, Settings } from './settings';
