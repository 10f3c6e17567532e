import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto';
import { hkdfExpand, hkdfExtract } from './hkdf';
import { SealError } from './seal-error';
import { generateX25519, x25519, x25519Public } from './x25519';

/** HPKE (RFC 9180), base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. */
const kemId = Buffer.from('KEM\x00\x20', 'latin1');
const suiteId = Buffer.from('HPKE\x00\x20\x00\x01\x00\x02', 'latin1');
const version = Buffer.from('HPKE-v1');
const none = Buffer.alloc(0);
const encLength = 32;
const tagLength = 16;

/** Bytes a sealed message has beyond its plaintext. */
export const messageOverhead = encLength + tagLength;

const pskIdHash = labeledExtract(suiteId, none, 'psk_id_hash', none);

/** The key schedule's output: labelled secrets of one context. */
export type Schedule = (label: 'key' | 'base_nonce' | 'exp', length: number) => Buffer;

/**
 * A sealed message (API contract, section 15): HPKE single shot to the receiver's raw public key, empty AAD,
 * written as `enc` (32) and ciphertext. Throws KeyFormError for a receiver key of low order.
 */
export function sealMessage(receiver: Uint8Array, info: string | Uint8Array, plaintext: Uint8Array): Buffer {
  return sealMessageFrom(generateX25519().privateKey, receiver, info, plaintext);
}

/** The same with a given ephemeral key: for known answers only. */
export function sealMessageFrom(
  ephemeral: KeyObject,
  receiver: Uint8Array,
  info: string | Uint8Array,
  plaintext: Uint8Array,
): Buffer {
  const { enc, schedule } = encapsulate(ephemeral, receiver, info);
  const cipher = createCipheriv('aes-256-gcm', schedule('key', 32), schedule('base_nonce', 12));
  const sealed = cipher.update(plaintext);
  cipher.final();
  return Buffer.concat([enc, sealed, cipher.getAuthTag()]);
}

/** Opens with the first of the private keys that fits. Throws SealError, whatever is wrong. */
export function openMessage(privateKeys: readonly KeyObject[], info: string | Uint8Array, sealed: Uint8Array): Buffer {
  if (sealed.length < messageOverhead) throw new SealError();
  const enc = sealed.subarray(0, encLength);
  const end = sealed.length - tagLength;
  for (const privateKey of privateKeys) {
    try {
      const schedule = decapsulate(privateKey, enc, info);
      const decipher = createDecipheriv('aes-256-gcm', schedule('key', 32), schedule('base_nonce', 12), {
        authTagLength: tagLength,
      });
      decipher.setAuthTag(sealed.subarray(end));
      const plaintext = decipher.update(sealed.subarray(encLength, end));
      decipher.final();
      return plaintext;
    } catch {
      continue;
    }
  }
  throw new SealError();
}

export function encapsulate(ephemeral: KeyObject, receiver: Uint8Array, info: string | Uint8Array) {
  const enc = x25519Public(ephemeral);
  return { enc, schedule: keySchedule(sharedSecret(x25519(ephemeral, receiver), enc, receiver), info) };
}

export function decapsulate(privateKey: KeyObject, enc: Uint8Array, info: string | Uint8Array): Schedule {
  return keySchedule(sharedSecret(x25519(privateKey, enc), enc, x25519Public(privateKey)), info);
}

/** LabeledExpand of the suite, for exporters. */
export function labeledExpand(suite: Buffer, key: Buffer, label: string, info: Uint8Array, length: number): Buffer {
  const lengthBytes = Buffer.alloc(2);
  lengthBytes.writeUInt16BE(length);
  return hkdfExpand('sha256', key, Buffer.concat([lengthBytes, version, suite, Buffer.from(label), info]), length);
}

export { suiteId };

function labeledExtract(suite: Buffer, salt: Uint8Array, label: string, inputKey: Uint8Array): Buffer {
  return hkdfExtract('sha256', salt, Buffer.concat([version, suite, Buffer.from(label), inputKey]));
}

function sharedSecret(dh: Buffer, enc: Uint8Array, receiver: Uint8Array): Buffer {
  const prk = labeledExtract(kemId, none, 'eae_prk', dh);
  return labeledExpand(kemId, prk, 'shared_secret', Buffer.concat([enc, receiver]), 32);
}

function keySchedule(shared: Buffer, info: string | Uint8Array): Schedule {
  const infoHash = labeledExtract(suiteId, none, 'info_hash', typeof info === 'string' ? Buffer.from(info) : info);
  const context = Buffer.concat([Uint8Array.of(0), pskIdHash, infoHash]);
  const secret = labeledExtract(suiteId, shared, 'secret', none);
  return (label, length) => labeledExpand(suiteId, secret, label, context, length);
}
