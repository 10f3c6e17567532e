/**
 * The fields of one event that are personal data of one subject. They are sealed together under the subject's
 * key before the event is stored; a model never folds them, so that a replay gives the same state after an erasure.
 */
export interface Personal {
  readonly subject: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** An event as a decision makes it. `data` is stored as it is, `personal` only sealed. */
export interface Decided<T extends string = string, D = unknown> {
  readonly type: T;
  readonly version: number;
  readonly data: D;
  readonly personal?: Personal;
}

/** What a model folds: the event without its personal fields. */
export interface Folded {
  readonly type: string;
  readonly version: number;
  readonly data: unknown;
}

/** What one aggregate remembers: the fold of its own events. `evolve` is total; it ignores events it does not know. */
export interface Model<E extends Decided, S> {
  readonly category: string;
  readonly initial: S;
  evolve(state: S, event: E): S;
  /** Older shapes of stored events to the current ones. */
  upcast?(event: Folded): Folded;
}
