export { isKey, parsePollRecord, type PollRecord, readPollRecord } from './recount/poll-record';
export { type PinnedKeys, type Recount, recount } from './recount/recount';
export * from './voting.migration';
export * from './voting.module';
