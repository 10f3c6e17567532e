/** Layers of the SYM1 envelope. 5 to 7 are reserved and refused. */
export const layers = { application: 1, server: 2, device: 3, bundle: 4, metadata: 8 } as const;

/** Suites of the SYM1 envelope. 0x02 and 0x03 are reserved and refused. */
export const suites = { hpke: 0x01, symmetric: 0x10, passphrase: 0x11 } as const;

export const flags = { detached: 1, padded: 2 } as const;

/** One wrapped content key. `signature` is empty or 64 bytes. */
export interface Wrap {
  readonly kid: Uint8Array;
  readonly enc: Uint8Array;
  readonly wrapped: Uint8Array;
  readonly signature: Uint8Array;
}

export interface Header {
  readonly layer: number;
  readonly suite: number;
  readonly flags: number;
  readonly version: number;
  readonly wraps: readonly Wrap[];
}

/** The header and how many bytes it takes; the body follows. */
export interface DecodedHeader extends Header {
  readonly length: number;
}

const magic = [0x53, 0x59, 0x4d, 0x31];
const knownLayers: readonly number[] = Object.values(layers);
const wrapLengths: Readonly<Record<number, { kid: number; enc: number; wrapped: number }>> = {
  [suites.hpke]: { kid: 32, enc: 32, wrapped: 48 },
  [suites.symmetric]: { kid: 16, enc: 0, wrapped: 104 },
  [suites.passphrase]: { kid: 16, enc: 0, wrapped: 104 },
};
const frameLength = 12;
const maximumWraps = 64;
const maximumHeader = 96 * 1024;
/** A body holds at least salt, commitment and one tag. */
const minimumBody = 72;

/** Bytes of a header with `count` unsigned or signed wraps of one suite. */
export function headerLength(suite: number, count: number, signed: boolean): number {
  const lengths = wrapLengths[suite];
  if (!lengths) throw new RangeError('unknown suite');
  return frameLength + count * (6 + lengths.kid + lengths.enc + lengths.wrapped + (signed ? 64 : 0));
}

/** Encodes a header. Throws a RangeError for one that `decodeHeader` would refuse. */
export function encodeHeader(header: Header): Uint8Array {
  const { layer, suite, flags: bits, version, wraps } = header;
  if (!Number.isInteger(version) || version < 0 || version > 0xffff_ffff) throw new RangeError('version out of range');
  const size = wraps.reduce(
    (sum, { kid, enc, wrapped, signature }) => sum + 6 + kid.length + enc.length + wrapped.length + signature.length,
    frameLength,
  );
  const out = new Uint8Array(size);
  const view = new DataView(out.buffer);
  out.set(magic, 0);
  out.set([layer, suite, bits], 4);
  view.setUint32(7, version, true);
  out[11] = wraps.length;
  let at = frameLength;
  const put = (bytes: Uint8Array, width: 1 | 2) => {
    if (width === 1) view.setUint8(at, bytes.length);
    else view.setUint16(at, bytes.length, true);
    out.set(bytes, at + width);
    at += width + bytes.length;
  };
  for (const { kid, enc, wrapped, signature } of wraps) {
    put(kid, 1);
    put(enc, 2);
    put(wrapped, 2);
    put(signature, 1);
  }
  if (typeof decodeHeader(out, { layer, suites: [suite] }) === 'string')
    throw new RangeError('not an encodable header');
  return out;
}

/**
 * Reads a header, whatever follows it. `incomplete`: these bytes begin a header that goes on; the caller refuses it
 * when there is no more input. `malformed`: refuse, before any key is touched. The layer must be the expected one and
 * the suite on the caller's list.
 */
export function decodeHeader(
  bytes: Uint8Array,
  expected: { readonly layer: number; readonly suites: readonly number[] },
): DecodedHeader | 'incomplete' | 'malformed' {
  for (const [index, byte] of magic.entries()) {
    if (index < bytes.length && bytes[index] !== byte) return 'malformed';
  }
  const [layer, suite, bits] = [bytes[4], bytes[5], bytes[6]];
  if (layer !== undefined && (layer !== expected.layer || !knownLayers.includes(layer))) return 'malformed';
  const lengths = suite === undefined || !expected.suites.includes(suite) ? undefined : wrapLengths[suite];
  if (suite !== undefined && !lengths) return 'malformed';
  if (bits !== undefined && bits > flags.detached + flags.padded) return 'malformed';
  if (bytes.length < frameLength || layer === undefined || suite === undefined || bits === undefined || !lengths) {
    return 'incomplete';
  }

  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = view.getUint8(11);
  const detached = bits % 2 === flags.detached;
  if (count > maximumWraps || detached !== (count === 0)) return 'malformed';

  let at = frameLength;
  let state: 'ok' | 'incomplete' | 'malformed' = 'ok';
  const take = (width: 1 | 2, allowed: readonly number[]): Uint8Array => {
    const none = bytes.subarray(0, 0);
    if (state !== 'ok') return none;
    if (at + width > bytes.length) return ((state = 'incomplete'), none);
    const length = width === 1 ? view.getUint8(at) : view.getUint16(at, true);
    if (!allowed.includes(length) || at + width + length > maximumHeader) return ((state = 'malformed'), none);
    if (at + width + length > bytes.length) return ((state = 'incomplete'), none);
    at += width + length;
    return bytes.subarray(at - length, at);
  };
  const wraps: Wrap[] = [];
  for (let index = 0; index < count && state === 'ok'; index++) {
    wraps.push({
      kid: take(1, [lengths.kid]),
      enc: take(2, [lengths.enc]),
      wrapped: take(2, [lengths.wrapped]),
      signature: take(1, [0, 64]),
    });
  }
  if (state !== 'ok') return state;
  return { layer, suite, flags: bits, version: view.getUint32(7, true), wraps, length: at };
}

/** Splits a whole envelope into header and body; null when either is malformed. */
export function splitEnvelope(
  bytes: Uint8Array,
  expected: { readonly layer: number; readonly suites: readonly number[] },
): { header: DecodedHeader; body: Uint8Array } | null {
  const header = decodeHeader(bytes, expected);
  if (typeof header === 'string' || bytes.length - header.length < minimumBody) return null;
  return { header, body: bytes.subarray(header.length) };
}
