export * from './device-link';
export * from './web-socket-device-link';
