export * from './audit';
export type * from './caller';
export * from './claims';
export * from './command-log.migration';
export * from './command-status.projection';
export * from './command-type';
export * from './command-worker';
export * from './commands';
export * from './statuses';
