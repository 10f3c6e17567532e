export type * from './events/event';
export type * from './events/command-log';
export type * from './events/device-router';
export type * from './events/identity';
export type * from './events/token-vault';
export * from './reasons';
export * from './sym1';
