export * from './carriers-device-link';
export * from './dead-letters';
export * from './device-link';
export * from './rabbitmq-device-link';
export * from './rabbitmq-management';
export { topology } from './rabbitmq-topology';
export * from './web-socket-device-link';
