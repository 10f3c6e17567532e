import type { Envelope } from './envelope';

/**
 * Takes one message from the carrier: the parsed JSON, or undefined for what is none. `confirm` is called with the
 * message's id once the message is safely held or needs no keeping; without it the carrier brings it again. Resolves
 * when the carrier need not count the message as under way any more; never rejects.
 */
export type Receive = (message: unknown, confirm: (id: string) => void) => Promise<void>;

/** A carrier of the device channel. Brings messages at least once, in no guaranteed order. */
export interface Link {
  /** Connects, and connects again whenever the connection is lost, until `close`. */
  open(receive: Receive): void;
  /**
   * Hands over a message; resolved once there is room for it, not once it was confirmed. The link repeats it until
   * then. A `passing` message is worth nothing later: it is sent once if that can be now.
   */
  send(envelope: Envelope, options?: { readonly passing?: boolean }): Promise<void>;
  /** Sends what can still be sent at once and disconnects. */
  close(): Promise<void>;
  /** Resolves when the first connection stands. */
  readonly ready: Promise<void>;
  /** Rejects with a `Halt` when the server wants no connection any more. Never resolves. */
  readonly halted: Promise<never>;
}
