import type { RetrievalEvent } from '@symbolon/contracts';

export type { DataRequested, RetrievalEvent } from '@symbolon/contracts';

/** What one kind of event holds. */
export type RetrievalData<T extends RetrievalEvent['type']> = Extract<RetrievalEvent, { type: T }>['data'];
