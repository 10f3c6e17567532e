import type { PollEvent } from '@symbolon/contracts';

export type { BallotContext, PollEvent } from '@symbolon/contracts';

/** What one kind of event holds. */
export type PollData<T extends PollEvent['type']> = Extract<PollEvent, { type: T }>['data'];
