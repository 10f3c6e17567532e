/** A refusal is a value: `key` is a reason key of the API, `detail` a sentence for people without secrets. */
export interface Refusal {
  readonly key: string;
  readonly detail?: string;
}

export type Decision<E> =
  { readonly accepted: true; readonly events: readonly E[] } | { readonly accepted: false; readonly refusal: Refusal };

/** Pure. Time, randomness and cryptography arrive inside the command. */
export type Decide<C, E, S> = (command: C, state: S) => Decision<E>;

export function accept<E>(...events: E[]): Decision<E> {
  return { accepted: true, events };
}

export function refuse(key: string, detail?: string): Decision<never> {
  return { accepted: false, refusal: detail === undefined ? { key } : { key, detail } };
}

/** Accepted without effect: what was asked for is so already, or no longer matters. */
export const nothing: Decision<never> = { accepted: true, events: [] };
