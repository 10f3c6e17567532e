import { createHash, randomBytes as random, timingSafeEqual } from 'node:crypto';

export function randomBytes(length: number): Buffer {
  return random(length);
}

/** A fresh secret: the prefix and 256 random bits as 43 base64url characters. */
export function mintSecret(prefix = ''): string {
  return prefix + random(32).toString('base64url');
}

/** Compares two secrets in a time that tells nothing of either, their lengths included. */
export function sameSecret(a: string, b: string): boolean {
  return timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest());
}
