export * from './policy.migration';
export * from './policy.module';
