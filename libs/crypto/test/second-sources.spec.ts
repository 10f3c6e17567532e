import { randomBytes, webcrypto } from 'node:crypto';
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core';
import { gcm } from '@noble/ciphers/aes.js';
import { ed25519, x25519 } from '@noble/curves/ed25519.js';
import { blake2b } from '@noble/hashes/blake2.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { chunkNonce, chunkOffset, deriveInfo } from '@symbolon/contracts';
import {
  encodePublicKey,
  generateEd25519,
  generateKeyPair,
  importX25519Private,
  open,
  openMessage,
  parsePublicKey,
  seal,
  sealMessage,
  signEnvelope,
  verifyEnvelope,
} from '../src';

type Gcm = (
  key: Uint8Array,
  nonce: Uint8Array,
) => {
  seal(plain: Uint8Array): Promise<Uint8Array>;
  open(sealed: Uint8Array): Promise<Uint8Array>;
};

const noble: Gcm = (key, nonce) => ({
  seal: async (plain) => gcm(key, nonce).encrypt(plain),
  open: async (sealed) => gcm(key, nonce).decrypt(sealed),
});
const web: Gcm = (key, iv) => {
  const imported = webcrypto.subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt', 'decrypt']);
  return {
    seal: async (plain) =>
      new Uint8Array(await webcrypto.subtle.encrypt({ name: 'AES-GCM', iv }, await imported, plain)),
    open: async (sealed) =>
      new Uint8Array(await webcrypto.subtle.decrypt({ name: 'AES-GCM', iv }, await imported, sealed)),
  };
};

/** Cobblestone-256 once more, written from the specification on another back end. */
function derive(key: Uint8Array, salt: Uint8Array, context: Uint8Array) {
  const info = deriveInfo(salt, context);
  const first = hmac(sha512, key, Buffer.concat([info, Uint8Array.of(1)]));
  const second = hmac(sha512, key, Buffer.concat([first, info, Uint8Array.of(2)]));
  const derived = Buffer.concat([first, second], 76);
  return { key: derived.subarray(0, 32), nonce: derived.subarray(32, 44), commitment: derived.subarray(44) };
}

describe.each([
  ['@noble', noble],
  ['WebCrypto', web],
])('Cobblestone-256 on %s', (_, aead) => {
  const context = Buffer.from('context');

  test.each([0, 1, 16_383, 16_384, 16_385, 50_000])('opens ours and is opened by ours: %i bytes', async (size) => {
    const [key, salt, plaintext] = [randomBytes(32), randomBytes(24), randomBytes(size)];
    const ours = seal(key, context, plaintext);

    const read = derive(key, ours.subarray(0, 24), context);
    expect(ours.subarray(24, 56).equals(read.commitment)).toBe(true);
    const opened: Uint8Array[] = [];
    for (let index = 0; chunkOffset(index) < ours.length; index++) {
      const chunk = ours.subarray(chunkOffset(index), chunkOffset(index + 1));
      opened.push(await aead(read.key, chunkNonce(read.nonce, index)).open(chunk));
    }
    expect(Buffer.concat(opened).equals(plaintext)).toBe(true);

    const write = derive(key, salt, context);
    const theirs: Uint8Array[] = [salt, write.commitment];
    for (let index = 0; index <= Math.floor(size / 16_384); index++) {
      const chunk = plaintext.subarray(index * 16_384, (index + 1) * 16_384);
      theirs.push(await aead(write.key, chunkNonce(write.nonce, index)).seal(chunk));
    }
    expect(open(key, context, Buffer.concat(theirs)).equals(plaintext)).toBe(true);
  });
});

describe('HPKE by @hpke/core', () => {
  const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
  const info = 'symbolon v1 envelope|a|b|c';
  const pair = generateKeyPair();
  const { raw } = parsePublicKey(pair.publicKey);
  const whole = (bytes: Uint8Array) => Uint8Array.from(bytes).buffer;

  test('opens what we seal', async () => {
    const recipientKey = await suite.kem.importKey('raw', whole(Buffer.from(pair.privateKey, 'hex')), false);
    const sealed = sealMessage(raw, info, Buffer.from('hello'));
    const context = { recipientKey, enc: whole(sealed.subarray(0, 32)), info: whole(Buffer.from(info)) };
    expect(Buffer.from(await suite.open(context, whole(sealed.subarray(32)))).toString()).toBe('hello');
  });

  test('seals what we open', async () => {
    const recipientPublicKey = await suite.kem.importKey('raw', whole(raw), true);
    const { ct, enc } = await suite.seal(
      { recipientPublicKey, info: whole(Buffer.from(info)) },
      whole(Buffer.from('hello')),
    );
    const sealed = Buffer.concat([new Uint8Array(enc), new Uint8Array(ct)]);
    expect(openMessage([importX25519Private(pair.privateKey)], info, sealed).toString()).toBe('hello');
  });
});

test('keys and signatures by @noble', () => {
  const pair = generateKeyPair();
  const raw = x25519.getPublicKey(Buffer.from(pair.privateKey, 'hex'));
  expect(encodePublicKey(raw)).toBe(pair.publicKey);
  const form = Buffer.from(pair.publicKey, 'hex');
  expect(Buffer.from(blake2b(form.subarray(0, 36), { dkLen: 64 })).equals(form.subarray(36))).toBe(true);

  const { privateKey, publicKey } = generateEd25519();
  const envelope = {
    id: 'a',
    type: 'b',
    deviceIdentifier: 'c',
    correlationId: null,
    at: 'd',
    sealed: Buffer.from('e'),
  };
  const sig = signEnvelope(privateKey, envelope);
  const text = 'symbolon-sig-v1\na\nb\nc\n\nd\n3f79bb7b435b05321651daefd374cdc681dc06faa65e374e38337b88ca046dea';
  expect(ed25519.verify(Buffer.from(sig, 'hex'), Buffer.from(text), Buffer.from(publicKey, 'hex'))).toBe(true);
  expect(verifyEnvelope(publicKey, envelope, sig)).toBe(true);
  for (const changed of [
    { id: 'x' },
    { type: 'x' },
    { deviceIdentifier: 'x' },
    { correlationId: 'x' },
    { at: 'x' },
    { sealed: Buffer.from('x') },
  ]) {
    expect(verifyEnvelope(publicKey, { ...envelope, ...changed }, sig)).toBe(false);
  }
  for (const wrong of ['', sig.toUpperCase(), `${sig}00`, sig.slice(2), `${sig}\n`]) {
    expect(verifyEnvelope(publicKey, envelope, wrong)).toBe(false);
  }
  expect(verifyEnvelope('zz', envelope, sig)).toBe(false);
  expect(verifyEnvelope(generateEd25519().publicKey, envelope, sig)).toBe(false);
});
