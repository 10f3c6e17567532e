import { Readable } from 'node:stream';
import { checkParcelId, type ParcelBytes, ParcelStore, sweepBatch } from './parcel-store';

/** For tests: nothing outlives the process. */
export class MemoryParcelStore extends ParcelStore {
  private readonly parcels = new Map<string, { bytes: Buffer; writtenAt: number }>();

  override async check(): Promise<void> {}

  override async write(parcelId: string, bytes: ParcelBytes): Promise<{ size: number }> {
    checkParcelId(parcelId);
    const parts: Uint8Array[] = [];
    for await (const part of bytes) parts.push(Uint8Array.from(part));
    const whole = Buffer.concat(parts);
    this.parcels.set(parcelId, { bytes: whole, writtenAt: Date.now() });
    return { size: whole.length };
  }

  override async read(parcelId: string): Promise<Readable | null> {
    checkParcelId(parcelId);
    const parcel = this.parcels.get(parcelId);
    return parcel ? Readable.from([parcel.bytes], { objectMode: false }) : null;
  }

  override async size(parcelId: string): Promise<number | null> {
    checkParcelId(parcelId);
    return this.parcels.get(parcelId)?.bytes.length ?? null;
  }

  override async delete(parcelId: string): Promise<void> {
    checkParcelId(parcelId);
    this.parcels.delete(parcelId);
  }

  override async sweep(olderThan: Date, keep: (parcelIds: string[]) => Promise<Set<string>>): Promise<number> {
    const old = [...this.parcels].filter(([, { writtenAt }]) => writtenAt < olderThan.getTime()).map(([id]) => id);
    let removed = 0;
    for (let from = 0; from < old.length; from += sweepBatch) {
      const asked = old.slice(from, from + sweepBatch);
      const kept = await keep(asked);
      for (const parcelId of asked) if (!kept.has(parcelId) && this.parcels.delete(parcelId)) removed++;
    }
    return removed;
  }
}
