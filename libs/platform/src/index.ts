export * from './key-ring';
export * from './platform.module';
export * from './progress';
export * from './registry';
