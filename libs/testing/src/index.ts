export * from './database';
export * from './scenario';
export * from './test-broker';
export * from './test-device';
export * from './test-server';
export * from './test-socket';
