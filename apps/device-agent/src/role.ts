import type { Done, Entry } from './ledger';

/** What the server asks for: a message whose signature passed and whose body was opened. */
export interface Order {
  readonly id: string;
  readonly type: string;
  readonly at: string;
  readonly content: Readonly<Record<string, unknown>>;
}

export type Outcome =
  /** Done: entries become true together with the order's own. `undo` takes back what was done if that fails. */
  | {
      readonly kind: 'answer';
      readonly type: string;
      readonly content: object;
      readonly entries?: readonly Entry[];
      undo?(): Promise<void>;
    }
  /** Safely held; an answer may follow some day. */
  | { readonly kind: 'taken' }
  /** Not done, and the server is told why (codes of the contract, section 16.4). A repeat is tried anew. */
  | { readonly kind: 'refused'; readonly code: Refusal; readonly message: string }
  /** Not done, and nothing to say: the server sends the order again. */
  | { readonly kind: 'later'; readonly reason: string };

export type Refusal =
  'device.envelope_invalid' | 'device.unseal_failed' | 'storage.write_failed' | 'storage.digest_mismatch';

/** How an order is carried out. */
export interface Task {
  /** Tasks of one lane run in the order they came; null: in none. */
  readonly lane: string | null;
  /** Moves a payload: may take long, so the order is kept on disk and confirmed before it is carried out. */
  readonly long: boolean;
  /** Has an effect: the order is remembered, and a repeat only answered. */
  readonly once: boolean;
  /** `at` is the time of the answer. */
  run(at: string, signal: AbortSignal): Promise<Outcome>;
  /** The answer to a repeat of an order with an effect. */
  repeat?(done: Done): { readonly type: string; readonly content: object };
}

/** What a device does with the messages of its types. */
export interface Role {
  readonly types: readonly string[];
  /** Reads the content; null if it is malformed. `latest` gives the newest delivery of the order while it waits or runs. */
  plan(order: Order, latest: () => Order): Task | null;
  /** The server could not take what this role sent under `correlationId`. */
  heardError?(correlationId: string, code: string): Promise<void>;
}

export function refused(code: Refusal, message: string): Outcome {
  return { kind: 'refused', code, message };
}

export const notStored = refused('storage.write_failed', 'the device could not store the data');
