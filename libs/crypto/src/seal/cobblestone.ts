import {
  type CipherGCM,
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type KeyObject,
  timingSafeEqual,
} from 'node:crypto';
import { chunkNonce, chunkOffset, cobblestone, deriveInfo, plainLength, sealedLength } from '@symbolon/contracts';
import { publicRandom } from '../mint/random-pool';
import { hkdfExpand } from './hkdf';
import { opening, SealError } from './seal-error';

const algorithm = 'aes-256-gcm';
const {
  chunk: chunkLength,
  sealedChunk,
  tag: tagLength,
  salt: saltLength,
  head: headLength,
  key: keyLength,
} = cobblestone;

/** The key and nonces of one message's chunks. */
export class ChunkKey {
  private imported: KeyObject | null = null;

  constructor(
    private readonly key: Uint8Array,
    private readonly baseNonce: Uint8Array,
  ) {}

  cipher(index: number): CipherGCM {
    return createCipheriv(algorithm, this.keyOf(index), chunkNonce(this.baseNonce, index));
  }

  /** Opens one whole sealed chunk, tag at its end. Throws where the tag does not pass. */
  open(index: number, sealed: Uint8Array): Buffer {
    const end = sealed.length - tagLength;
    const nonce = chunkNonce(this.baseNonce, index);
    const decipher = createDecipheriv(algorithm, this.keyOf(index), nonce, { authTagLength: tagLength });
    decipher.setAuthTag(sealed.subarray(end));
    const plain = decipher.update(sealed.subarray(0, end));
    decipher.final();
    return plain;
  }

  forget(): void {
    this.key.fill(0);
    this.imported = null;
  }

  /** Importing costs more than it saves where there is one chunk, as in most boxes. */
  private keyOf(index: number): Uint8Array | KeyObject {
    if (index > 0) this.imported ??= createSecretKey(this.key);
    return this.imported ?? this.key;
  }
}

/** The head of a message (salt and commitment, 56 bytes) and the key of its chunks. */
export function beginMessage(key: Uint8Array, context: Uint8Array, salt: Uint8Array = publicRandom(saltLength)) {
  if (key.length !== keyLength) throw new RangeError('a key has 32 bytes');
  if (salt.length !== saltLength) throw new RangeError('a salt has 24 bytes');
  const derived = hkdfExpand('sha512', key, deriveInfo(salt, context), cobblestone.derived);
  const chunks = new ChunkKey(derived.subarray(0, 32), derived.subarray(32, 44));
  return { head: Buffer.concat([salt, derived.subarray(44)]), chunks };
}

/** The key of the chunks behind a head, whose commitment must be that of key, salt and context. Throws SealError. */
export function resumeMessage(key: Uint8Array, context: Uint8Array, head: Uint8Array): ChunkKey {
  return opening(() => {
    const expected = beginMessage(key, context, head.subarray(0, saltLength));
    if (!timingSafeEqual(expected.head, head)) throw new SealError();
    return expected.chunks;
  });
}

/** Length of the message around `length` bytes. */
export const sealLength = sealedLength;

/**
 * Seals `plaintext` as one Cobblestone-256 message (C2SP chunked encryption with SHA-512 and AES-256-GCM).
 * `key`: 32 uniformly random bytes; a salt is given only where known answers are made.
 */
export function seal(key: Uint8Array, context: Uint8Array, plaintext: Uint8Array, salt?: Uint8Array): Buffer {
  const { head, chunks } = beginMessage(key, context, salt);
  const parts: Buffer[] = [head];
  for (let index = 0; index <= Math.floor(plaintext.length / chunkLength); index++) {
    const cipher = chunks.cipher(index);
    parts.push(cipher.update(plaintext.subarray(index * chunkLength, (index + 1) * chunkLength)));
    cipher.final();
    parts.push(cipher.getAuthTag());
  }
  chunks.forget();
  return Buffer.concat(parts, sealedLength(plaintext.length));
}

/** Opens a whole message. Throws SealError for anything that is not exactly one message under this key and context. */
export function open(key: Uint8Array, context: Uint8Array, message: Uint8Array): Buffer {
  return opening(() => {
    const length = plainLength(message.length);
    if (length === null) throw new SealError();
    const chunks = resumeMessage(key, context, message.subarray(0, headLength));
    const parts: Buffer[] = [];
    for (let index = 0; index <= Math.floor(length / chunkLength); index++) {
      parts.push(chunks.open(index, message.subarray(chunkOffset(index), chunkOffset(index + 1))));
    }
    chunks.forget();
    return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts, length);
  });
}

/** A message that can be read in places. `read` gives exactly the bytes from `start` up to `end`, or fewer at its end. */
export interface RangeSource {
  readonly length: number;
  read(start: number, end: number): Promise<Uint8Array>;
}

/**
 * Opens the plaintext bytes from `start` up to `end` (clipped to the plaintext) and reads no other chunks than theirs.
 * Says nothing about chunks outside the range. Throws SealError; what the source throws passes through.
 */
export async function openRange(
  key: Uint8Array,
  context: Uint8Array,
  source: RangeSource,
  start: number,
  end: number,
): Promise<Buffer> {
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end < start)
    throw new RangeError('not a range');
  const length = plainLength(source.length);
  if (length === null) throw new SealError();
  const chunks = resumeMessage(key, context, await source.read(0, headLength));
  const [from, to] = [Math.min(start, length), Math.min(end, length)];
  const first = Math.floor(from / chunkLength);
  // The short last chunk is opened whenever the range touches the end: it is what proves that the end is there.
  const last = to === length ? Math.floor(length / chunkLength) : Math.floor(Math.max(to - 1, from) / chunkLength);
  const parts: Buffer[] = [];
  for (let index = first; index <= last; index++) {
    const stop = Math.min(chunkOffset(index + 1), source.length);
    const sealed = await source.read(chunkOffset(index), stop);
    if (sealed.length !== stop - chunkOffset(index) || sealed.length > sealedChunk) throw new SealError();
    parts.push(opening(() => chunks.open(index, sealed)));
  }
  return Buffer.concat(parts).subarray(from - first * chunkLength, to - first * chunkLength);
}
