import { pipeline } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { sealedStreamLength, sealStreamTo } from '@symbolon/crypto';
import { ParcelStore } from '@symbolon/parcel-store';
import type { DownloadHandler } from '@symbolon/transfer';
import { DataSource } from 'typeorm';
import { payloadPurpose, rawKey } from '../channel/envelopes';

/**
 * Gives a device the parcel it was told to store, as a sealed stream to its key (contract, section 16.5), for as long as
 * it is to store it.
 */
@Injectable()
export class PayloadDownload implements DownloadHandler {
  readonly direction = 'down';
  readonly purpose = payloadPurpose;
  readonly service = 'device-router';

  constructor(
    private readonly parcels: ParcelStore,
    private readonly dataSource: DataSource,
  ) {}

  async open(ref: object) {
    const { parcelId, deviceIdentifier } = ref as { parcelId: string; deviceIdentifier: string };
    const [device] = await this.dataSource.query<Array<{ public_key: string }>>(
      `select k.public_key from device_router.delivery d join device_router.public_key k on k.profile_id = d.device_identifier
        where d.device_identifier = $1 and d.parcel_id = $2 and d.kind = 'write'`,
      [deviceIdentifier, parcelId],
    );
    const size = await this.parcels.size(parcelId);
    const parcel = device && size !== null ? await this.parcels.read(parcelId) : null;
    if (!device || size === null || !parcel) return null;
    // An error of either stream ends both; whoever reads the body sees it.
    const body = pipeline(parcel, sealStreamTo(rawKey(device.public_key)), () => undefined);
    return { length: sealedStreamLength(size), body, sent: async () => undefined };
  }
}
