import { buffer } from 'node:stream/consumers';
import type { INestApplicationContext } from '@nestjs/common';
import type { DataExchanged, DataReplaced, DataRequested } from '@symbolon/contracts';
import { sha256Hex, uuid5, uuid7 } from '@symbolon/crypto';
import { EventStore, type Recorded, system } from '@symbolon/kernel';
import { ParcelStore } from '@symbolon/parcel-store';
import { ProjectionRunner } from '@symbolon/projection';

export type Behaviour = 'honest' | 'silent' | 'missing' | 'garbage';

/** Devices and the way to them, played by events alone, as this context meets them. */
export class SimulatedDevices {
  behaviour: Behaviour = 'honest';
  /** L2 bytes by digest. */
  readonly held = new Map<string, Buffer>();
  private readonly owners = new Map<string, string>();
  private readonly stopping = new AbortController();
  private readonly store: EventStore;
  private readonly parcels: ParcelStore;
  private running: Promise<void> = Promise.resolve();

  constructor(private readonly app: INestApplicationContext) {
    this.store = app.get(EventStore);
    this.parcels = app.get(ParcelStore);
    this.running = this.follow();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  /** Gives a profile a storage device. */
  async add(profileId: string): Promise<string> {
    const deviceIdentifier = uuid7();
    this.owners.set(profileId, deviceIdentifier);
    await this.app
      .get(ProjectionRunner)
      .passed(await this.say(`device-${deviceIdentifier}`, 'storage.registered', { deviceIdentifier, profileId }));
    return deviceIdentifier;
  }

  /** Acknowledges a write as its device would. */
  async acknowledge(
    { tokenId, profileId, version, sha256 }: DataExchanged['data'] | DataReplaced['data'],
    device?: string,
  ): Promise<void> {
    const deviceIdentifier = device ?? this.owners.get(profileId);
    const data = { tokenId, version, deviceIdentifier, sha256, signed: false };
    await this.say(`copy-${uuid5(`${tokenId}/${deviceIdentifier}`)}`, 'storage.write_acknowledged', data);
  }

  private async follow(): Promise<void> {
    const { signal } = this.stopping;
    for await (const { events } of this.store.follow(['token', 'retrieval'], null, signal)) {
      for (const event of events) {
        if (event.type === 'data_token.data_exchanged' || event.type === 'data_token.data_replaced')
          await this.onExchanged(event);
        if (event.type === 'data_token.data_requested') await this.onRequested(event);
      }
    }
  }

  private async onExchanged(event: Recorded): Promise<void> {
    const data = event.data as DataExchanged['data'] | DataReplaced['data'];
    if (this.behaviour === 'silent' || !this.owners.has(data.profileId)) return;
    const parcel = await this.parcels.read(data.dataKey.keyId);
    if (!parcel) return;
    const bytes = await buffer(parcel);
    expect(sha256Hex(bytes)).toBe(data.sha256);
    this.held.set(data.sha256, bytes);
    await this.acknowledge(data);
    await this.parcels.delete(data.dataKey.keyId);
  }

  private async onRequested(event: Recorded): Promise<void> {
    const { tokenId, profileId, version, requestId, sha256 } = event.data as DataRequested['data'];
    if (this.behaviour === 'silent') return;
    const stream = `reading-${requestId}`;
    const bytes = this.held.get(sha256);
    if (this.behaviour === 'missing' || !bytes) {
      await this.say(stream, 'storage.reading_failed', { requestId, reason: 'storage.data_missing' });
      return;
    }
    const parcelId = uuid7();
    const given = Buffer.from(bytes);
    if (this.behaviour === 'garbage') given[given.length - 1]! ^= 1;
    await this.parcels.write(parcelId, one(given));
    const deviceIdentifier = this.owners.get(profileId);
    const data = { tokenId, version, deviceIdentifier, requestId, size: given.length, parcelId };
    await this.say(stream, 'storage.read_answered', data);
  }

  private async say(stream: string, type: string, data: object): Promise<string | null> {
    const id = uuid7();
    const meta = { commandId: null, correlationId: id, causationId: id, actor: system };
    const appended = await this.store.append(stream, 'any', [{ id, type, version: 1, data }], meta);
    return appended.status === 'conflict' ? null : appended.cursor;
  }
}

async function* one(bytes: Buffer) {
  yield bytes;
}
