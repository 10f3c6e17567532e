import { accept, type Decide, type Decided, type Model, nothing } from '@symbolon/kernel';

/** Stream `claim-<keyed hash of profile, path and key>`: the command that an Idempotency-Key stands for. */
type KeyEvent = Decided<'idempotency.key_taken', { commandId: string; fieldsHash: string; expiresAt: string }>;

export interface KeyState {
  readonly commandId: string | null;
  readonly fieldsHash: string;
  readonly expiresAt: string;
}

export const idempotencyKey: Model<KeyEvent, KeyState> = {
  category: 'claim',
  initial: { commandId: null, fieldsHash: '', expiresAt: '' },
  evolve: (state, event) => (event.type === 'idempotency.key_taken' ? event.data : state),
};

export interface TakeKey {
  readonly commandId: string;
  readonly fieldsHash: string;
  readonly now: string;
  readonly expiresAt: string;
}

/** The first command takes the key; it is free again once it has expired. */
export const takeKey: Decide<TakeKey, KeyEvent, KeyState> = ({ commandId, fieldsHash, now, expiresAt }, state) =>
  state.commandId !== null && now < state.expiresAt
    ? nothing
    : accept({ type: 'idempotency.key_taken', version: 1, data: { commandId, fieldsHash, expiresAt } });
