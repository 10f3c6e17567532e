import type { Cause } from '@symbolon/kernel';
import { uuid5 } from '@symbolon/crypto';

/** What a device was told and has not answered yet. */
export interface Order {
  readonly kind: 'write' | 'read' | 'delete';
  readonly causeId: string;
  readonly deviceIdentifier: string;
  readonly tokenId: string;
  /** Of a deletion: this and all lower versions. */
  readonly version: number;
  /** Of a read. */
  readonly requestId: string | null;
  /** Of a write: its L2 bytes. */
  readonly parcelId: string | null;
  /** Of a write or read: the right digest of the L2 bytes, and their length. */
  readonly sha256: string;
  readonly sealedSize: number;
  /** Of a read: the verified L2 bytes that the device has uploaded. */
  readonly returnedParcelId: string | null;
  /** Of a read: for another device, not for somebody who asked for the data. */
  readonly copying: boolean;
  readonly commandId: string | null;
  readonly correlationId: string;
}

export interface OrderRow {
  readonly kind: Order['kind'];
  readonly subject_id: string;
  readonly version: number;
  readonly device_identifier: string;
  readonly cause_id: string;
  readonly token_id: string;
  readonly parcel_id: string | null;
  readonly sha256: string | null;
  readonly sealed_size: string | null;
  readonly returned_parcel_id: string | null;
  readonly content: { readonly copying?: boolean } | null;
  readonly command_id: string | null;
  readonly correlation_id: string;
}

export function orderOf(row: OrderRow): Order {
  return {
    kind: row.kind,
    causeId: row.cause_id,
    deviceIdentifier: row.device_identifier,
    tokenId: row.token_id,
    version: row.version,
    requestId: row.kind === 'read' ? row.subject_id : null,
    parcelId: row.parcel_id,
    sha256: row.sha256 ?? '',
    sealedSize: Number(row.sealed_size ?? 0),
    returnedParcelId: row.returned_parcel_id,
    copying: row.content?.copying ?? false,
    commandId: row.command_id,
    correlationId: row.correlation_id,
  };
}

/** The cause of a step of an order: the same at every repeat, so that the step is recorded once. */
export function stepOf(
  { causeId, deviceIdentifier, commandId, correlationId }: Order,
  step: string,
  by: Cause['actor'],
): Cause {
  return { commandId, correlationId, causationId: uuid5(`${causeId}/${deviceIdentifier}/${step}`), actor: by };
}

/** The stream of what one device holds of one token. */
export function copyStream({ tokenId, deviceIdentifier }: Pick<Order, 'tokenId' | 'deviceIdentifier'>): string {
  return `copy-${uuid5(`${tokenId}/${deviceIdentifier}`)}`;
}

/** The parcel that takes what a device gives back for a request. */
export function returnedParcel({ requestId, deviceIdentifier }: Order): string {
  return uuid5(`${requestId}/${deviceIdentifier}/returned`);
}
