import { utf8 } from './pae';

/** Sizes, in bytes, of C2SP chunked encryption with SHA-512 and AES-256-GCM. */
export const cobblestone = {
  key: 32,
  salt: 24,
  commitment: 32,
  /** Salt and commitment. */
  head: 56,
  nonce: 12,
  tag: 16,
  /** Plaintext of every chunk but the last, which is shorter. */
  chunk: 16_384,
  sealedChunk: 16_400,
  /** Output of the key derivation: key, base nonce and commitment. */
  derived: 76,
} as const;

const label = utf8('c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0');

/** `info` of the HKDF-Expand-SHA512 that turns an input key into key, base nonce and commitment. */
export function deriveInfo(salt: Uint8Array, context: Uint8Array): Uint8Array {
  const info = new Uint8Array(label.length + salt.length + context.length);
  info.set(label, 0);
  info.set(salt, label.length);
  info.set(context, label.length + salt.length);
  return info;
}

/** The nonce of chunk `index`: the base nonce XOR the index as a 96-bit big-endian number. */
export function chunkNonce(base: Uint8Array, index: number): Uint8Array {
  if (!Number.isSafeInteger(index) || index < 0) throw new RangeError('not a chunk number');
  const nonce = Uint8Array.from(base);
  for (let rest = index, at = nonce.length - 1; rest > 0; rest = Math.floor(rest / 256), at--) {
    nonce[at] = (nonce[at] ?? 0) ^ (rest % 256);
  }
  return nonce;
}

/** Length of the message around `length` bytes of plaintext. */
export function sealedLength(length: number): number {
  return cobblestone.head + length + cobblestone.tag * (Math.floor(length / cobblestone.chunk) + 1);
}

/** Length of the plaintext in a message of `length` bytes; null when no message has that length. */
export function plainLength(length: number): number | null {
  const chunks = length - cobblestone.head;
  const rest = chunks % cobblestone.sealedChunk;
  if (!Number.isSafeInteger(length) || chunks < cobblestone.tag || rest < cobblestone.tag) return null;
  return chunks - cobblestone.tag * (Math.floor(chunks / cobblestone.sealedChunk) + 1);
}

/** Where chunk `index` begins in a message. */
export function chunkOffset(index: number): number {
  return cobblestone.head + cobblestone.sealedChunk * index;
}
