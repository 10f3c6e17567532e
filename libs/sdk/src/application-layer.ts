import {
  bindingText,
  bodyContext,
  cobblestone,
  type DecodedHeader,
  decodeHeader,
  encodeHeader,
  type EnvelopeFrame,
  flags,
  layers,
  le64,
  padmeLength,
  plainLength,
  suites,
  uuidBytes,
} from '@symbolon/contracts';
import { piecesOf, streamOf } from './byte-source';
import { joined, openStream, SealError, sealStream } from './cobblestone';
import { randomSecret } from './key-engine';
import type { ProfileKeys } from './profile-keys';

/**
 * Cobblestone-256 by other means than WebCrypto: a program on Node may bring one on its own cryptography, which takes
 * a third of the processor. Both give the bytes of the whole message in order; `open` throws, whatever is wrong, and
 * gives out only what has been authenticated.
 */
export interface BodyCipher {
  seal(source: AsyncIterable<Uint8Array>, key: Uint8Array, context: Uint8Array): AsyncIterable<Uint8Array>;
  open(source: AsyncIterable<Uint8Array>, key: Uint8Array, context: Uint8Array): AsyncIterable<Uint8Array>;
}

/** Which bytes an envelope belongs to: the data token, and the id of the profile that reserved it. */
export interface Place {
  readonly token: string;
  readonly profileId: string;
}

/** The layers that the application makes itself: the data, and what describes it. */
export type OwnLayer = typeof layers.application | typeof layers.metadata;

async function frameOf(place: Place, version: number, bits: number, layer: OwnLayer): Promise<EnvelopeFrame> {
  const digest = await globalThis.crypto.subtle.digest('SHA-256', bindingText(place.token));
  return {
    layer,
    suite: suites.hpke,
    flags: bits,
    version,
    binding: new Uint8Array(digest, 0, 16),
    owner: uuidBytes(place.profileId),
  };
}

/**
 * Seals a stream for one token: a SYM1 envelope of layer 1 whose content key only `keys` open. `version` counts the
 * writes to the token, from 1. `padTo` is the length of the source where it is known and shall be hidden: the envelope
 * grows by at most 12 %, and the stream errors when another number of bytes comes.
 */
export async function sealForToken(
  keys: ProfileKeys,
  place: Place,
  version: number,
  source: ReadableStream<Uint8Array>,
  options: {
    readonly padTo?: number | undefined;
    readonly cipher?: BodyCipher | undefined;
    readonly layer?: OwnLayer;
  } = {},
): Promise<ReadableStream<Uint8Array>> {
  const { padTo, cipher, layer = layers.application } = options;
  const frame = await frameOf(place, version, padTo === undefined ? 0 : flags.padded, layer);
  const cek = randomSecret();
  const header = encodeHeader({ ...frame, wraps: [await keys.wrap(frame, cek)] });
  const plain = padTo === undefined ? source : streamOf(padded(source, padTo), source);
  const context = bodyContext(frame);
  if (!cipher) return plain.pipeThrough(sealStream(cek, context, header));
  return streamOf(followedBy(header, cipher.seal(piecesOf(plain), cek, context)), plain);
}

/** An opened envelope. The stream's bytes are provisional until it has ended well. */
export interface Opened {
  readonly stream: ReadableStream<Uint8Array>;
  readonly version: number;
  /** Bytes of plaintext, where the length of the envelope tells. */
  readonly size: number | null;
}

/**
 * Opens the envelope in `source` (of `length` bytes, where known). Resolves once its header has been read and the
 * wrap's signature and binding have been checked. Throws `SealError` for anything that is not an envelope which one of
 * `keys` made for this token; the stream errors with it when the body turns out to be damaged.
 */
export async function openForToken(
  keys: ProfileKeys,
  place: Place,
  source: ReadableStream<Uint8Array>,
  length: number | null,
  cipher?: BodyCipher,
  layer: OwnLayer = layers.application,
): Promise<Opened> {
  const { header, body } = await readHeader(source, layer);
  try {
    const frame = await frameOf(place, header.version, header.flags, layer);
    const cek = await keys.unwrap(frame, header.wraps);
    const isPadded = header.flags === flags.padded;
    const plain = length === null ? null : plainLength(length - header.length);
    if (length !== null && plain === null) throw new SealError();
    const context = bodyContext(frame);
    const opened = cipher
      ? streamOf(openedBy(cipher, body, cek, context), body)
      : body.pipeThrough(openStream(cek, context));
    return {
      stream: isPadded ? opened.pipeThrough(unpadStream()) : opened,
      version: header.version,
      size: isPadded ? null : plain,
    };
  } catch (error) {
    await body.cancel().catch(() => undefined);
    throw error;
  }
}

/** Reads just enough to have the whole header, and gives the rest as a stream. */
async function readHeader(
  source: ReadableStream<Uint8Array>,
  layer: OwnLayer,
): Promise<{ header: DecodedHeader; body: ReadableStream<Uint8Array> }> {
  const pieces = piecesOf(source);
  let held = new Uint8Array() as Uint8Array;
  for (;;) {
    const { done, value } = await pieces.next();
    if (!done) held = joined([held, value]);
    const header = decodeHeader(held, { layer, suites: [suites.hpke] });
    if (typeof header !== 'string' && header.wraps.length > 0) {
      return { header, body: streamOf(followedBy(held.subarray(header.length), pieces), pieces) };
    }
    if (header !== 'incomplete' || done) {
      await pieces.return(undefined);
      throw new SealError();
    }
  }
}

async function* followedBy(first: Uint8Array, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (first.length > 0) yield first;
  yield* rest;
}

/** What a cipher opens; its failures become `SealError`, those of the source stay what they are. */
async function* openedBy(
  cipher: BodyCipher,
  source: ReadableStream<Uint8Array>,
  key: Uint8Array,
  context: Uint8Array,
): AsyncGenerator<Uint8Array> {
  let failure: { readonly error: unknown } | null = null;
  async function* noting(): AsyncGenerator<Uint8Array> {
    try {
      yield* piecesOf(source);
    } catch (error) {
      failure = { error };
      throw error;
    }
  }
  try {
    yield* cipher.open(noting(), key, context);
  } catch {
    throw failure ? (failure as { error: unknown }).error : new SealError();
  }
}

const LENGTH_FIELD = 8;

/** Padmé in a stream: the length, the bytes, and zeros up to the padded length. */
async function* padded(source: ReadableStream<Uint8Array>, length: number): AsyncGenerator<Uint8Array> {
  let left = length;
  yield le64(length);
  for await (const piece of piecesOf(source)) {
    left -= piece.length;
    if (left < 0) throw new RangeError('more bytes than announced');
    yield piece;
  }
  if (left > 0) throw new RangeError('fewer bytes than announced');
  let zeros = padmeLength(LENGTH_FIELD + length) - LENGTH_FIELD - length;
  for (; zeros > 0; zeros -= cobblestone.chunk) yield new Uint8Array(Math.min(zeros, cobblestone.chunk));
}

/** The other way: gives out the payload and checks that exactly Padmé's zeros follow. */
function unpadStream(): TransformStream<Uint8Array, Uint8Array> {
  let field = new Uint8Array() as Uint8Array;
  let length: number | null = null;
  let seen = 0;
  return new TransformStream({
    transform: (bytes, out) => {
      let payload = bytes;
      if (length === null) {
        field = joined([field, bytes]);
        if (field.length < LENGTH_FIELD) return;
        const claimed = new DataView(field.buffer, field.byteOffset, LENGTH_FIELD).getBigUint64(0, true);
        if (claimed > BigInt(Number.MAX_SAFE_INTEGER - LENGTH_FIELD)) throw new SealError();
        length = Number(claimed);
        payload = field.subarray(LENGTH_FIELD);
      }
      const given = payload.subarray(0, Math.max(0, length - seen));
      if (payload.subarray(given.length).some((byte) => byte !== 0)) throw new SealError();
      seen += payload.length;
      if (given.length > 0) out.enqueue(given);
    },
    flush: () => {
      if (length === null || LENGTH_FIELD + seen !== padmeLength(LENGTH_FIELD + length)) throw new SealError();
    },
  });
}
