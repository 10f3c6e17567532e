import { createHmac } from 'node:crypto';

type Hash = 'sha256' | 'sha512';

const outputLength: Record<Hash, number> = { sha256: 32, sha512: 64 };

/** HKDF-Extract (RFC 5869). An empty salt stands for zeros. */
export function hkdfExtract(hash: Hash, salt: Uint8Array, inputKey: Uint8Array): Buffer {
  return createHmac(hash, salt).update(inputKey).digest();
}

/** HKDF-Expand (RFC 5869). Throws a RangeError for more than 255 blocks. */
export function hkdfExpand(hash: Hash, key: Uint8Array, info: Uint8Array, length: number): Buffer {
  const blocks = Math.ceil(length / outputLength[hash]);
  if (blocks > 255) throw new RangeError('HKDF gives at most 255 blocks');
  const out: Buffer[] = [];
  let previous: Uint8Array = info.subarray(0, 0);
  for (let block = 1; block <= blocks; block++) {
    previous = createHmac(hash, key)
      .update(Buffer.concat([previous, info, Uint8Array.of(block)]))
      .digest();
    out.push(previous as Buffer);
  }
  return Buffer.concat(out, length);
}
