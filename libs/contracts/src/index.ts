export type * from './events/event';
export type * from './events/command-log';
export type * from './events/device-router';
export type * from './events/identity';
export type * from './events/policy';
export type * from './events/token-vault';
export type * from './events/voting';
export * from './reasons';
export * from './sym1';
