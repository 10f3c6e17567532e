import { Backoff } from './backoff';
import type { Envelope } from './envelope';
import { exits, Halt } from './halt';
import type { Link, Receive } from './link';

export interface Reconnect {
  /** Milliseconds before the first try to connect again, doubling to `most`. */
  readonly first: number;
  readonly most: number;
}

/** What both carriers begin with: senders that wait for room, tries that become rarer, and a server that may refuse. */
export abstract class CarrierLink implements Link {
  readonly ready: Promise<void>;
  readonly halted: Promise<never>;

  protected readonly waiting: (() => void)[] = [];
  protected readonly backoff: Backoff;
  protected receive: Receive = () => Promise.resolve();
  protected closed = false;
  protected refusals = 0;
  protected becomeReady: () => void = () => undefined;
  protected halt: (reason: Halt) => void = () => undefined;

  constructor({ first, most }: Reconnect) {
    this.backoff = new Backoff(first, most);
    this.ready = new Promise((resolve) => (this.becomeReady = resolve));
    this.halted = new Promise((_, reject) => (this.halt = reject));
    this.halted.catch(() => undefined);
  }

  abstract open(receive: Receive): void;
  abstract send(envelope: Envelope, options?: { readonly passing?: boolean }): Promise<void>;
  abstract close(): Promise<void>;

  protected haltRefused(by: 'server' | 'broker'): void {
    const sentence = `The ${by} refuses this device: its credentials were rotated, or it was removed or not approved. Retrieve the device configuration again.`;
    this.halt(new Halt(exits.refused, sentence));
  }
}

/** What a message of the carrier holds, or undefined where it is no JSON text. */
export function parseMessage(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
