export type { ReadingEvent } from '@symbolon/contracts';
