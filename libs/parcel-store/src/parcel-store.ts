import type { Readable } from 'node:stream';

/** The bytes of a parcel: any stream will do. */
export type ParcelBytes = AsyncIterable<Uint8Array>;

/**
 * Sealed bytes in transit, by the id of their parcel (a UUID). Only sealed bytes ever reach it: layer 2 of what was
 * handed in, or of what a device gave back. The store neither knows nor checks this; whoever writes must.
 * Every method throws `Unavailable('parcel-store')` while the store cannot do its work (gone, full, damaged).
 */
export abstract class ParcelStore {
  /** Resolves while parcels can be written and read: asked where a failure would come too late. */
  abstract check(): Promise<void>;
  /**
   * Takes all bytes, at the pace of the store and in constant memory. Durable and complete when resolved; a failure
   * leaves what was there before. An error of `bytes` is passed on as it is; any failure ends `bytes`.
   * Writing a parcel again replaces it whole; who reads the former one goes on undisturbed.
   */
  abstract write(parcelId: string, bytes: ParcelBytes): Promise<{ size: number }>;
  /** The parcel from its first byte, or null. The caller reads the stream to its end or destroys it. */
  abstract read(parcelId: string): Promise<Readable | null>;
  /** Length in bytes, or null. */
  abstract size(parcelId: string): Promise<number | null>;
  /** Nothing happens where there is no such parcel. A power cut may undo it: the next sweep finds the parcel again. */
  abstract delete(parcelId: string): Promise<void>;
  /**
   * Removes parcels written before `olderThan` that nobody keeps, and what broken writes left behind.
   * `keep` is asked for up to 500 ids at a time and answers those that must stay. Resolves to the number of parcels removed.
   */
  abstract sweep(olderThan: Date, keep: (parcelIds: string[]) => Promise<Set<string>>): Promise<number>;
  /** Lets go of connections; nothing is called afterwards. */
  async close(): Promise<void> {}
}

/** Ids become file names, so nothing but a lower-case UUID is taken. */
export function checkParcelId(parcelId: string): void {
  if (!isParcelId(parcelId)) throw new Error('a parcel id is a lower-case UUID');
}

export function isParcelId(text: string): boolean {
  return /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/.test(text);
}

/** How many ids a sweep asks about at once. */
export const sweepBatch = 500;
