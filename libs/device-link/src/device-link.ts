import type { Instant } from '@symbolon/kernel';

/** A message between the server and a device (API contract, section 16.2). */
export interface Envelope {
  readonly v: 1;
  readonly id: string;
  readonly type: string;
  /** The device at either end. */
  readonly deviceIdentifier: string;
  /** The `id` that is answered, else null. */
  readonly correlationId: string | null;
  readonly at: Instant;
  /** `{ sealed }` in `storage.*` and `ballot.*`, plain in `device.*` and `error`. */
  readonly body: object;
  /** 128 hex digits. */
  readonly sig?: string;
}

/** `confirmed`: the carrier has it from here on. `offline`: it did not reach the device; the sender still has it. */
export type Sent = 'confirmed' | 'offline';

export interface SendOptions {
  /**
   * Keep the message over a lost connection and send it on the next one, as far as memory is set aside for it. For
   * answers that nobody stores; what is stored is sent again by whoever stored it.
   */
  readonly keep?: boolean;
  /** From then on the message is worth nothing: a carrier that keeps it may drop it. */
  readonly expiresAt?: Instant;
}

/**
 * Takes a message of a device. `message` is what the JSON text held, undefined where it was none; nothing about it has
 * been checked. When the promise resolves, whatever follows from the message is stored: the carrier is told so. When it
 * rejects, the device will send the message again.
 */
export type Receiver = (deviceIdentifier: string, message: unknown) => Promise<void>;

/** Brings envelopes to devices and back, at least once and in no guaranteed order (API contract, section 16.4). */
export abstract class DeviceLink {
  /**
   * Sends to the device named in the envelope. An envelope whose id still waits to be confirmed replaces the earlier
   * one. A carrier has a window of its own: what exceeds it waits in memory.
   */
  abstract send(envelope: Envelope, options?: SendOptions): Promise<Sent>;
  /** Envelopes of this device that wait to be confirmed. */
  abstract waiting(deviceIdentifier: string): number;
  /** Whoever sets the receiver sets it once, before the first device connects. */
  abstract receive(receiver: Receiver): void;
  /** Called when a device has opened a connection: what was on the way to it before may be lost. */
  abstract onConnected(listener: (deviceIdentifier: string) => void): void;
  /** Called when messages can be sent, or again, to devices that have not connected themselves. */
  abstract onReachable(listener: () => void): void;
  /** Devices with an open connection, and so certainly there. */
  abstract connected(): readonly string[];
  /** Devices to which messages leave at once, be it to the device itself or to where it will fetch them. */
  abstract reachable(): readonly string[];
  /** Ends the device's connection, if it has one, with a close code of section 16.6, and forgets what was kept for it. */
  abstract disconnect(deviceIdentifier: string, code: number): void;
}

/** Who calls: the device that these channel credentials belong to, or null. */
export abstract class DeviceCredentials {
  abstract verify(clientId: string, clientSecret: string): Promise<string | null>;
}
