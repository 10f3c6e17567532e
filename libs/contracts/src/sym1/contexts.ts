import { pae } from './pae';
import { idPart, objectIdBytes, uuidBytes } from './text';

/** Every context begins with this and the name of its domain. */
const origin = 'symbolon/1';

/** What fixes the meaning of an envelope: the head of its header and what it is bound to. */
export interface EnvelopeFrame {
  readonly layer: number;
  readonly suite: number;
  readonly flags: number;
  readonly version: number;
  /** Layers 1 and 8: bindingId; 2: tokenId and parcelId; 3: objectId; 4: empty. */
  readonly binding: Uint8Array;
  /** The 16 bytes of the owning profile's or device's id; empty for the server's own. */
  readonly owner: Uint8Array;
}

/** Cobblestone context of an envelope's body. */
export function bodyContext({ layer, suite, flags, version, binding, owner }: EnvelopeFrame): Uint8Array {
  return pae(origin, 'body', layer, suite, flags, version, binding, owner);
}

/** HPKE `info` of a wrap (`recipient`: the receiving profile's 16 bytes), or context of a symmetric wrap (its kid). */
export function cekContext(
  { layer, suite, flags, version, binding, owner }: EnvelopeFrame,
  recipient: Uint8Array,
): Uint8Array {
  return pae(origin, 'cek', layer, suite, flags, version, binding, owner, recipient);
}

/** What the writer of a wrap signs (layers 1 and 8). */
export function wrapText(cek: Uint8Array, enc: Uint8Array, wrapped: Uint8Array): Uint8Array {
  return pae(origin, 'wrap', cek, enc, wrapped);
}

/** A data token's bindingId is the first 16 bytes of the SHA-256 of this. */
export function bindingText(token: string): Uint8Array {
  return pae(origin, 'binding', token);
}

/** The binding of layer 2. */
export function parcelBinding(tokenId: string, parcelId: string): Uint8Array {
  const out = new Uint8Array(32);
  out.set(uuidBytes(tokenId), 0);
  out.set(uuidBytes(parcelId), 16);
  return out;
}

export type WrappedKeyKind = 'k2' | 'profile-kek' | 'subject' | 'once';

/** Context of a stored wrapped key. A one-off key has no owner. */
export function keyContext(kind: WrappedKeyKind, owner: string | null, rowId: string): Uint8Array {
  return pae(origin, 'key', kind, owner === null ? '' : uuidBytes(owner), uuidBytes(rowId));
}

/** Kinds of secrets that are found by their HMAC. */
export type LookupKind =
  | 'data-token'
  | 'authorization'
  | 'qr'
  | 'stream-auth'
  | 'download-auth'
  | 'oauth-code'
  | 'oauth-access'
  | 'oauth-refresh'
  | 'client-secret'
  | 'device-secret';

export function lookupText(kind: LookupKind, secret: string): Uint8Array {
  return pae(origin, 'lookup', kind, secret);
}

export function guessText(kind: string, value: string): Uint8Array {
  return pae(origin, 'guess', kind, value);
}

/** An objectId is the first 16 bytes of the HMAC over this. */
export function objectText(tokenId: string, deviceIdentifier: string): Uint8Array {
  return pae(origin, 'object', uuidBytes(tokenId), uuidBytes(deviceIdentifier));
}

/** A device's password at the broker is the HMAC over this; `secretKeyId` names the channel secret that counts. */
export function brokerPasswordText(deviceIdentifier: string, secretKeyId: string): Uint8Array {
  return pae(origin, 'broker-password', uuidBytes(deviceIdentifier), uuidBytes(secretKeyId));
}

/** A blob's file name at a device is the HMAC over this. */
export function blobText(objectId: string, version: number): Uint8Array {
  return pae(origin, 'blob', objectIdBytes(objectId), version);
}

/** Context of the box of an event's personal fields of one subject. */
export function personalContext(subject: string, eventType: string, stream: string, eventId: string): Uint8Array {
  return pae(origin, 'personal', uuidBytes(subject), eventType, stream, uuidBytes(eventId));
}

/** The same in a read model. One table's row ids are all UUIDs or all not. */
export function rowContext(subject: string | null, table: string, rowId: string): Uint8Array {
  return pae(origin, 'row', subject === null ? '' : uuidBytes(subject), table, idPart(rowId));
}

/** Blind index of a value, or of its first `prefixLength` code points; 0 stands for the whole value. */
export function indexText(column: string, prefixLength: number, value: string): Uint8Array {
  return pae(origin, 'index', column, prefixLength, value);
}

/** The operation digest of a poll is the SHA-256 of this; `canonical` is the command's data by `canonicalJson`. */
export function operationText(type: string, commandId: string, canonical: string, nonce: Uint8Array): Uint8Array {
  return pae(origin, 'operation', type, uuidBytes(commandId), canonical, nonce);
}

/** HPKE `info` that ties the sealed body of a device envelope to its envelope (API contract, section 15). */
export function envelopeInfo(id: string, type: string, deviceIdentifier: string): string {
  return `symbolon v1 envelope|${id}|${type}|${deviceIdentifier}`;
}

/** HPKE `info` of the key of a sealed stream and, as UTF-8, the context of its chunks. */
export const streamInfo = 'symbolon v1 stream';

/** What an envelope's signature covers, beside the digest of its sealed bytes. */
export interface SignedEnvelope {
  readonly id: string;
  readonly type: string;
  readonly deviceIdentifier: string;
  readonly correlationId: string | null;
  readonly at: string;
}

/** The seven lines an envelope's Ed25519 signature is taken over; `digest`: lower-case hex SHA-256 of the sealed bytes. */
export function envelopeText(envelope: SignedEnvelope, digest: string): string {
  const { id, type, deviceIdentifier, correlationId, at } = envelope;
  return ['symbolon-sig-v1', id, type, deviceIdentifier, correlationId ?? '', at, digest].join('\n');
}
