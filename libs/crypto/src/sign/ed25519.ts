import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { envelopeText, type SignedEnvelope } from '@symbolon/contracts';
import { KeyFormError } from '../seal/x25519';

const privatePrefix = Buffer.from('302e020100300506032b657004220420', 'hex');

/** What is signed of an envelope; `sealed`: the decoded bytes of its body. */
export interface EnvelopeToSign extends SignedEnvelope {
  readonly sealed: Uint8Array;
}

/** A private key of 32 bytes or 64 hex digits. Throws KeyFormError. */
export function importEd25519Private(key: string | Uint8Array): KeyObject {
  const raw = typeof key === 'string' ? Buffer.from(/^[0-9a-fA-F]{64}$/.test(key) ? key : '', 'hex') : key;
  if (raw.length !== 32) throw new KeyFormError('a private key has 32 bytes');
  const der = Buffer.concat([privatePrefix, raw]);
  const imported = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  der.fill(0);
  return imported;
}

/** The public half, 32 bytes. */
export function ed25519Public(privateKey: KeyObject): Buffer {
  return Buffer.from(createPublicKey(privateKey).export({ format: 'jwk' }).x!, 'base64url');
}

/** A fresh signing pair; `publicKey` as 64 hex digits. */
export function generateEd25519(): { privateKey: KeyObject; publicKey: string } {
  const { privateKey } = generateKeyPairSync('ed25519');
  return { privateKey, publicKey: ed25519Public(privateKey).toString('hex') };
}

/** A signing key as it is registered: 64 hex digits in either case; answers lower case. Throws KeyFormError. */
export function parseSigningKey(hex: string): string {
  if (!/^[0-9a-fA-F]{64}$/.test(hex)) throw new KeyFormError('must be 64 hex digits');
  return hex.toLowerCase();
}

/** Ed25519 (RFC 8032), 64 bytes. */
export function signBytes(key: KeyObject, text: Uint8Array): Buffer {
  return sign(null, text, key);
}

/** `publicKeyHex`: 64 hex digits. False for anything that is not a valid signature under it. */
export function verifyBytes(publicKeyHex: string, text: Uint8Array, signature: Uint8Array): boolean {
  if (!/^[0-9a-f]{64}$/.test(publicKeyHex) || signature.length !== 64) return false;
  try {
    const key = { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(publicKeyHex, 'hex').toString('base64url') };
    return verify(null, text, createPublicKey({ key, format: 'jwk' }), signature);
  } catch {
    return false;
  }
}

/** The envelope's `sig`, 128 hex digits (API contract, section 15). */
export function signEnvelope(key: KeyObject, envelope: EnvelopeToSign): string {
  return signBytes(key, textOf(envelope)).toString('hex');
}

export function verifyEnvelope(publicKeyHex: string, envelope: EnvelopeToSign, sig: string): boolean {
  return /^[0-9a-f]{128}$/.test(sig) && verifyBytes(publicKeyHex, textOf(envelope), Buffer.from(sig, 'hex'));
}

function textOf(envelope: EnvelopeToSign): Buffer {
  return Buffer.from(envelopeText(envelope, createHash('sha256').update(envelope.sealed).digest('hex')));
}
