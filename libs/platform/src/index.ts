export * from './key-ring';
export * from './platform.module';
export * from './registry';
