import { buffer } from 'node:stream/consumers';
import { Injectable } from '@nestjs/common';
import { envelopeInfo } from '@symbolon/contracts';
import { KeyStore, sealMessage, signEnvelope } from '@symbolon/crypto';
import type { Envelope } from '@symbolon/device-link';
import { Clock, type Instant } from '@symbolon/kernel';
import { ParcelStore } from '@symbolon/parcel-store';
import { Transfers } from '@symbolon/transfer';
import type { Order } from '../delivery/order';

/** L2 bytes that still travel inside an envelope (contract, section 16.5). */
const inlineLimit = 65_536;
/** Seconds that a one-time URL for a device lives. */
const urlSeconds = 600;

/** Purposes of one-time URLs for devices; their ids name what a transfer is about. */
export const payloadPurpose = 'payload';
export const returnPurpose = 'parcel-return';
export const payloadId = (parcelId: string, deviceIdentifier: string) => `${parcelId}/${deviceIdentifier}`;
export const returnId = (requestId: string, deviceIdentifier: string) => `${requestId}/${deviceIdentifier}`;

export interface Addressee {
  /** In the 100-byte form; null while the device has none: then it gets nothing. */
  readonly publicKey: string | null;
  readonly id: string;
  readonly at: Instant;
}

/** The 32 key bytes of a registered key; its form was checked at registration. */
export function rawKey(publicKey: string): Buffer {
  return Buffer.from(publicKey, 'hex').subarray(4, 36);
}

/** Makes orders into envelopes: sealed to the device, signed by the server, with fresh one-time URLs. */
@Injectable()
export class Envelopes {
  constructor(
    private readonly keys: KeyStore,
    private readonly parcels: ParcelStore,
    private readonly transfers: Transfers,
    private readonly clock: Clock,
  ) {}

  /** Null where the order cannot be given: no key, or a parcel that is gone. */
  async compose(order: Order, { publicKey, id, at }: Addressee): Promise<Envelope | null> {
    const { deviceIdentifier } = order;
    const content = publicKey === null ? null : await this.contentOf(order);
    if (publicKey === null || content === null) return null;
    return this.seal(`storage.${order.kind}`, content, deviceIdentifier, { publicKey, id, at });
  }

  /** Any message that goes sealed and signed. */
  seal(
    type: string,
    content: object,
    deviceIdentifier: string,
    { publicKey, id, at }: Addressee & { readonly publicKey: string },
  ): Envelope {
    const text = Buffer.from(JSON.stringify(content));
    const sealed = sealMessage(rawKey(publicKey), envelopeInfo(id, type, deviceIdentifier), text);
    const head = { id, type, deviceIdentifier, correlationId: null, at };
    const sig = signEnvelope(this.keys.signKey().private, { ...head, sealed });
    return { v: 1, ...head, body: { sealed: sealed.toString('base64') }, sig };
  }

  private async contentOf(order: Order): Promise<object | null> {
    const { tokenId, deviceIdentifier, version } = order;
    const objectId = this.keys.objectId(tokenId, deviceIdentifier);
    switch (order.kind) {
      case 'write':
        return this.writeContent(order, objectId);
      case 'read':
        return { objectId, version, ...(await this.uploadUrl(order)) };
      case 'delete':
        return { objectId, upToVersion: version };
    }
  }

  private async writeContent({ version, parcelId, sealedSize, sha256, deviceIdentifier }: Order, objectId: string) {
    if (parcelId === null) return null;
    const content = { objectId, version, size: sealedSize, sha256 };
    if (sealedSize <= inlineLimit) {
      const parcel = await this.parcels.read(parcelId);
      return parcel && { ...content, payload: (await buffer(parcel)).toString('base64') };
    }
    if ((await this.parcels.size(parcelId)) === null) return null;
    const { url, expiresAt } = await this.transfers.issue({
      direction: 'down',
      purpose: payloadPurpose,
      id: payloadId(parcelId, deviceIdentifier),
      ref: { parcelId, deviceIdentifier },
      expiresAt: this.clock.after(urlSeconds),
    });
    return { ...content, payloadUrl: url, payloadUrlExpiresAt: expiresAt };
  }

  private async uploadUrl({ sealedSize, requestId, deviceIdentifier }: Order) {
    if (sealedSize <= inlineLimit || requestId === null) return { uploadUrl: null, uploadUrlExpiresAt: null };
    const { url, expiresAt } = await this.transfers.issue({
      direction: 'up',
      purpose: returnPurpose,
      id: returnId(requestId, deviceIdentifier),
      ref: { requestId, deviceIdentifier },
      expiresAt: this.clock.after(urlSeconds),
    });
    return { uploadUrl: url, uploadUrlExpiresAt: expiresAt };
  }
}
