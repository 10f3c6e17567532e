import type { TokenEvent } from '@symbolon/contracts';

export type { DataExchanged, TokenChanges, TokenEvent, TokenMeta } from '@symbolon/contracts';

/** What one kind of event holds in the clear. */
export type TokenData<T extends TokenEvent['type']> = Extract<TokenEvent, { type: T }>['data'];
