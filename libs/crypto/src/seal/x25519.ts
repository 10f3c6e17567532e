import {
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';

const privatePrefix = Buffer.from('302e020100300506032b656e04220420', 'hex');
const tag = Buffer.from('31420500', 'hex');
/** Any scalar shows a point of low order: clamped scalars are multiples of the cofactor. */
const probe = importX25519Private(randomBytes(32));
const publicHalves = new WeakMap<KeyObject, Buffer>();

/** A public key that is not of the exchange form. */
export class KeyFormError extends Error {
  constructor(detail: string) {
    super(detail);
    this.name = 'KeyFormError';
  }
}

/** A private key of 32 bytes or 64 hex digits. Throws KeyFormError. */
export function importX25519Private(key: string | Uint8Array): KeyObject {
  const raw = typeof key === 'string' ? Buffer.from(/^[0-9a-fA-F]{64}$/.test(key) ? key : '', 'hex') : key;
  if (raw.length !== 32) throw new KeyFormError('a private key has 32 bytes');
  const der = Buffer.concat([privatePrefix, raw]);
  const imported = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  der.fill(0);
  return imported;
}

/** The 32 public bytes that belong to a private key. */
export function x25519Public(privateKey: KeyObject): Buffer {
  let raw = publicHalves.get(privateKey);
  if (!raw) {
    raw = rawPublic(createPublicKey(privateKey));
    publicHalves.set(privateKey, raw);
  }
  return raw;
}

/** X25519. Throws where the shared secret would be all zeros (a point of low order). */
export function x25519(privateKey: KeyObject, publicRaw: Uint8Array): Buffer {
  if (publicRaw.length !== 32) throw new KeyFormError('a public key has 32 bytes');
  // As a JWK, because Node reads and writes that ten times as fast as DER.
  const key = { kty: 'OKP', crv: 'X25519', x: Buffer.from(publicRaw).toString('base64url') };
  const shared = diffieHellman({ privateKey, publicKey: createPublicKey({ key, format: 'jwk' }) });
  if (shared.every((byte) => byte === 0)) throw new KeyFormError('a point of low order');
  return shared;
}

export function generateX25519(): { privateKey: KeyObject; publicRaw: Buffer } {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  return { privateKey, publicRaw: rawPublic(publicKey) };
}

/** The exchange form: version tag, 32 bytes, unkeyed BLAKE2b-512 over both (API contract, section 15), as 200 hex digits. */
export function encodePublicKey(raw: Uint8Array): string {
  if (raw.length !== 32) throw new KeyFormError('a public key has 32 bytes');
  return formOf(raw).toString('hex');
}

/**
 * Reads the exchange form, hex in either case. `hex` is in lower case, `fingerprint` the hex SHA-256 of the 100 bytes,
 * `thumbprint` the RFC 7638 one. Throws KeyFormError; the checksum says nothing about whose key it is.
 */
export function parsePublicKey(hex: string): { raw: Buffer; hex: string; fingerprint: string; thumbprint: string } {
  if (!/^[0-9a-fA-F]{200}$/.test(hex)) throw new KeyFormError('must be 200 hex digits');
  const bytes = Buffer.from(hex, 'hex');
  const raw = bytes.subarray(4, 36);
  if (!bytes.subarray(0, 4).equals(tag)) throw new KeyFormError('has another version tag');
  if (!bytes.equals(formOf(raw))) throw new KeyFormError('has a wrong checksum');
  try {
    x25519(probe, raw);
  } catch {
    throw new KeyFormError('is a point of low order');
  }
  return {
    raw,
    hex: hex.toLowerCase(),
    fingerprint: createHash('sha256').update(bytes).digest('hex'),
    thumbprint: jwkThumbprint('X25519', raw),
  };
}

/** A fresh pair for clients that cannot make one: 64 and 200 hex digits. The caller shows it once and keeps nothing. */
export function generateKeyPair(): { privateKey: string; publicKey: string } {
  const { privateKey, publicRaw } = generateX25519();
  const der = privateKey.export({ format: 'der', type: 'pkcs8' });
  const hex = der.subarray(privatePrefix.length).toString('hex');
  der.fill(0);
  return { privateKey: hex, publicKey: encodePublicKey(publicRaw) };
}

/** RFC 7638 SHA-256 thumbprint of an OKP key, base64url. */
export function jwkThumbprint(curve: 'X25519' | 'Ed25519', raw: Uint8Array): string {
  const jwk = JSON.stringify({ crv: curve, kty: 'OKP', x: Buffer.from(raw).toString('base64url') });
  return createHash('sha256').update(jwk).digest('base64url');
}

function formOf(raw: Uint8Array): Buffer {
  const stated = Buffer.concat([tag, raw]);
  return Buffer.concat([stated, createHash('blake2b512').update(stated).digest()]);
}

function rawPublic(publicKey: KeyObject): Buffer {
  return Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url');
}
