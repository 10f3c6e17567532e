import { createHmac, randomBytes } from 'node:crypto';
import type { Transform } from 'node:stream';
import {
  blobText,
  bodyContext,
  cekContext,
  decodeHeader,
  encodeHeader,
  type EnvelopeFrame,
  flags,
  headerLength,
  layers,
  objectIdBytes,
  parcelBinding,
  sealedLength,
  suites,
  uuidBytes,
} from '@symbolon/contracts';
import { CobblestoneSealer, OpeningStream } from './chunk-stream';
import { open, seal } from './cobblestone';
import { SealError } from './seal-error';

/** What the server's layer is bound to: a token, its parcel and the profile that reserved it. UUIDs. */
export interface Layer2Binding {
  readonly tokenId: string;
  readonly parcelId: string;
  readonly owner: string;
}

/** What a device's own layer is bound to. `objectId`: 32 hex digits; `version`: the API's, an unsigned 32-bit number. */
export interface Layer3Binding {
  readonly objectId: string;
  readonly deviceIdentifier: string;
  readonly version: number;
}

const none = new Uint8Array(0);
const layer2Header = headerLength(suites.symmetric, 0, false);
const layer3Header = headerLength(suites.symmetric, 1, false);

/** Length of the layer-2 bytes around `length` bytes. */
export function layer2Length(length: number): number {
  return layer2Header + sealedLength(length);
}

/** Length of the layer-3 bytes around `length` layer-2 bytes. */
export function layer3Length(length: number): number {
  return layer3Header + sealedLength(length);
}

/** The server's layer (SYM1 layer 2, detached) under a parcel's key. `header`: base64url of salt and commitment, 56 bytes. */
export function sealLayer2(
  key: Uint8Array,
  binding: Layer2Binding,
  salt?: Uint8Array,
): Transform & { readonly header: string } {
  const frame = layer2Frame(binding);
  const sealer = new CobblestoneSealer(key, bodyContext(frame), {
    prefix: encodeHeader({ ...frame, wraps: [] }),
    ...(salt ? { salt } : {}),
  });
  return Object.assign(sealer, { header: sealer.head.toString('base64url') });
}

/** Opens layer-2 bytes; fails with SealError, also for another token, parcel or owner. */
export function openLayer2(key: Uint8Array, binding: Layer2Binding): Transform {
  const frame = layer2Frame(binding);
  return new OpeningStream(layer2Header, (prefix) => {
    requireHeader(prefix, frame);
    return { key, context: bodyContext(frame) };
  });
}

/**
 * A device's layer at rest (SYM1 layer 3, suite 0x10): a fresh content key, wrapped under the device's master key
 * (32 bytes) that `kid` (16 bytes) names.
 */
export function sealLayer3(masterKek: Uint8Array, kid: Uint8Array, binding: Layer3Binding): Transform {
  const frame = layer3Frame(binding);
  const contentKey = randomBytes(32);
  const wrapped = seal(masterKek, cekContext(frame, kid), contentKey);
  const prefix = encodeHeader({ ...frame, wraps: [{ kid, enc: none, wrapped, signature: none }] });
  const sealer = new CobblestoneSealer(contentKey, bodyContext(frame), { prefix });
  contentKey.fill(0);
  return sealer;
}

/** Opens layer-3 bytes; fails with SealError, also for another key, object, device or version. */
export function openLayer3(masterKek: Uint8Array, kid: Uint8Array, binding: Layer3Binding): Transform {
  const frame = layer3Frame(binding);
  return new OpeningStream(layer3Header, (prefix) => {
    const [wrap] = requireHeader(prefix, frame).wraps;
    if (!wrap || !Buffer.from(kid).equals(wrap.kid) || wrap.signature.length > 0) throw new SealError();
    return { key: open(masterKek, cekContext(frame, kid), wrap.wrapped), context: bodyContext(frame) };
  });
}

/** The name of a blob at a device: 64 hex digits under the device's own naming key (32 bytes). */
export function blobName(namingKey: Uint8Array, objectId: string, version: number): string {
  return createHmac('sha256', namingKey).update(blobText(objectId, version)).digest('hex');
}

/** The header of whole prefix bytes, which must say what the frame says. Throws SealError. */
function requireHeader(prefix: Uint8Array, frame: EnvelopeFrame) {
  const header = decodeHeader(prefix, { layer: frame.layer, suites: [frame.suite] });
  if (typeof header === 'string' || header.length !== prefix.length) throw new SealError();
  if (header.flags !== frame.flags || header.version !== frame.version) throw new SealError();
  return header;
}

function layer2Frame({ tokenId, parcelId, owner }: Layer2Binding): EnvelopeFrame {
  return {
    layer: layers.server,
    suite: suites.symmetric,
    flags: flags.detached,
    version: 0,
    binding: parcelBinding(tokenId, parcelId),
    owner: uuidBytes(owner),
  };
}

function layer3Frame({ objectId, deviceIdentifier, version }: Layer3Binding): EnvelopeFrame {
  return {
    layer: layers.device,
    suite: suites.symmetric,
    flags: 0,
    version,
    binding: objectIdBytes(objectId),
    owner: uuidBytes(deviceIdentifier),
  };
}
