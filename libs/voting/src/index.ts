export * from './voting.migration';
export * from './voting.module';
