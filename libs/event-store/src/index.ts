export * from './log-entries';
export * from './log-moved';
export * from './memory-event-store';
export * from './postgres-event-store';
