import { createHash } from 'node:crypto';
import { publicRandom } from './random-pool';

const namespace = Buffer.from('8f0d6c1e2b7a5f43a1c95e60d4b72f18', 'hex');

/** A UUID version 7 (RFC 9562), lower case: 48 bits of milliseconds, 74 random bits, no counter. */
export function uuid7(): string {
  const bytes = publicRandom(16);
  bytes.writeUIntBE(Date.now(), 0, 6);
  return text(bytes, 7);
}

/** The UUID version 5 of a name in the namespace of derived ids: equal causes give equal ids. */
export function uuid5(name: string): string {
  return text(createHash('sha1').update(namespace).update(name).digest().subarray(0, 16), 5);
}

function text(bytes: Buffer, version: number): string {
  bytes[6] = ((bytes[6] ?? 0) % 16) + version * 16;
  bytes[8] = ((bytes[8] ?? 0) % 64) + 128;
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
