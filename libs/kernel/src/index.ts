export * from './actor';
export * from './clock';
export * from './decide';
export * from './event-store';
export * from './gathered';
export type * from './model';
export * from './outage';
export * from './streams';
