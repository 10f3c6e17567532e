import { fromBase64url, utf8 } from '@symbolon/contracts';
import { ed25519, x25519 } from '@noble/curves/ed25519.js';
import * as HPKE from 'hpke';
import { joined, SealError } from './cobblestone';

const { subtle } = globalThis.crypto;

/** What HPKE gives: the encapsulated key (32 bytes) and the ciphertext with its tag. */
export interface Sealed {
  readonly enc: Uint8Array;
  readonly ciphertext: Uint8Array;
}

/**
 * X25519, Ed25519 and HPKE (RFC 9180, base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM). Keys and
 * secrets are 32 raw bytes, signatures 64. `open` throws `SealError`.
 */
export interface KeyEngine {
  agreementPublic(secret: Uint8Array): Promise<Uint8Array>;
  signingPublic(secret: Uint8Array): Promise<Uint8Array>;
  sign(secret: Uint8Array, message: Uint8Array): Promise<Uint8Array>;
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): Promise<boolean>;
  seal(receiver: Uint8Array, info: Uint8Array, plaintext: Uint8Array): Promise<Sealed>;
  open(secret: Uint8Array, info: Uint8Array, sealed: Sealed): Promise<Uint8Array>;
}

// RFC 8410: PrivateKeyInfo around a raw 32-byte secret.
const PKCS8 = {
  X25519: [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x04, 0x22, 0x04, 0x20],
  Ed25519: [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20],
} as const;
type Curve = keyof typeof PKCS8;

async function importSecret(curve: Curve, secret: Uint8Array, extractable: boolean) {
  const encoded = joined([Uint8Array.from(PKCS8[curve]), secret]);
  const usages = curve === 'X25519' ? (['deriveBits'] as const) : (['sign'] as const);
  const key = await subtle.importKey('pkcs8', encoded, { name: curve }, extractable, [...usages]);
  encoded.fill(0);
  return key;
}

async function publicOf(curve: Curve, secret: Uint8Array): Promise<Uint8Array> {
  const { x } = await subtle.exportKey('jwk', await importSecret(curve, secret, true));
  return fromBase64url(x!)!;
}

const suiteOf = (kem: HPKE.KEMFactory): HPKE.CipherSuite =>
  new HPKE.CipherSuite(kem, HPKE.KDF_HKDF_SHA256, HPKE.AEAD_AES_256_GCM);

/** On WebCrypto: Node from version 20, and browsers that have X25519 and Ed25519. */
export const webEngine: KeyEngine = {
  agreementPublic: (secret) => publicOf('X25519', secret),
  signingPublic: (secret) => publicOf('Ed25519', secret),
  async sign(secret, message) {
    return new Uint8Array(await subtle.sign('Ed25519', await importSecret('Ed25519', secret, false), message));
  },
  async verify(publicKey, message, signature) {
    const key = await subtle.importKey('raw', publicKey, { name: 'Ed25519' }, false, ['verify']);
    return subtle.verify('Ed25519', key, signature, message);
  },
  async seal(receiver, info, plaintext) {
    const key = await subtle.importKey('raw', receiver, { name: 'X25519' }, true, []);
    const sealed = await suiteOf(HPKE.KEM_DHKEM_X25519_HKDF_SHA256).Seal(key, plaintext, { info });
    return { enc: sealed.encapsulatedSecret, ciphertext: sealed.ciphertext };
  },
  async open(secret, info, { enc, ciphertext }) {
    try {
      // Node 20 cannot derive the public key of a private key that is not extractable: HPKE needs the pair.
      const publicKey = await subtle.importKey('raw', await publicOf('X25519', secret), { name: 'X25519' }, true, []);
      const privateKey = await importSecret('X25519', secret, false);
      const suite = suiteOf(HPKE.KEM_DHKEM_X25519_HKDF_SHA256);
      return await suite.Open({ privateKey, publicKey }, enc, ciphertext, { info });
    } catch {
      throw new SealError();
    }
  },
};

class RawKey implements HPKE.Key {
  readonly algorithm = { name: 'X25519' };
  readonly extractable = true;

  constructor(
    readonly type: 'private' | 'public',
    readonly bytes: Uint8Array,
  ) {}
}

const pairOf = (secret: Uint8Array) => ({
  privateKey: new RawKey('private', secret),
  publicKey: new RawKey('public', x25519.getPublicKey(secret)),
});

/** DHKEM(X25519, HKDF-SHA256) of RFC 9180, section 4.1, on JavaScript curves. `ephemeral` makes the sender's secret. */
function softwareKem(ephemeral: () => Uint8Array): HPKE.KEMFactory<RawKey> {
  const kdf = HPKE.KDF_HKDF_SHA256();
  const suiteId = joined([utf8('KEM'), HPKE.I2OSP(0x0020, 2)]);
  const none = new Uint8Array();
  const shared = async (dh: Uint8Array, enc: Uint8Array, receiver: Uint8Array): Promise<Uint8Array> => {
    const prk = await HPKE.LabeledExtract(kdf, suiteId, none, utf8('eae_prk'), dh);
    return HPKE.LabeledExpand(kdf, suiteId, prk, utf8('shared_secret'), joined([enc, receiver]), 32);
  };
  return () => ({
    id: 0x0020,
    type: 'KEM',
    name: 'DHKEM(X25519, HKDF-SHA256)',
    Nsecret: 32,
    Nenc: 32,
    Npk: 32,
    Nsk: 32,
    DeriveKeyPair: () => Promise.reject(new HPKE.NotSupportedError()),
    GenerateKeyPair: () => Promise.resolve(pairOf(ephemeral())),
    SerializePublicKey: (key) => Promise.resolve(key.bytes),
    SerializePrivateKey: (key) => Promise.resolve(key.bytes),
    DeserializePublicKey: (bytes) => Promise.resolve(new RawKey('public', bytes)),
    DeserializePrivateKey: (bytes) => Promise.resolve(new RawKey('private', bytes)),
    Encap: async (receiver) => {
      const secret = ephemeral();
      const enc = x25519.getPublicKey(secret);
      const dh = x25519.getSharedSecret(secret, receiver.bytes);
      return { shared_secret: await shared(dh, enc, receiver.bytes), enc };
    },
    Decap: async (enc, own, ownPublic) => {
      const receiver = ownPublic?.bytes ?? x25519.getPublicKey(own.bytes);
      return shared(x25519.getSharedSecret(own.bytes, enc), enc, receiver);
    },
  });
}

export function randomSecret(): Uint8Array {
  return globalThis.crypto.getRandomValues(new Uint8Array(32));
}

/** On JavaScript curves, for browsers without X25519 or Ed25519. `ephemeral` is given by known-answer tests alone. */
export function softwareEngine(ephemeral: () => Uint8Array = randomSecret): KeyEngine {
  const suite = new HPKE.CipherSuite<RawKey>(softwareKem(ephemeral), HPKE.KDF_HKDF_SHA256, HPKE.AEAD_AES_256_GCM);
  return {
    agreementPublic: (secret) => Promise.resolve(x25519.getPublicKey(secret)),
    signingPublic: (secret) => Promise.resolve(ed25519.getPublicKey(secret)),
    sign: (secret, message) => Promise.resolve(ed25519.sign(message, secret)),
    // zip215 off: the strict rules of RFC 8032, as WebCrypto has them.
    verify: (publicKey, message, signature) =>
      Promise.resolve(signature.length === 64 && ed25519.verify(signature, message, publicKey, { zip215: false })),
    async seal(receiver, info, plaintext) {
      const sealed = await suite.Seal(new RawKey('public', receiver), plaintext, { info });
      return { enc: sealed.encapsulatedSecret, ciphertext: sealed.ciphertext };
    },
    async open(secret, info, { enc, ciphertext }) {
      try {
        return await suite.Open(pairOf(secret), enc, ciphertext, { info });
      } catch {
        throw new SealError();
      }
    },
  };
}

let chosen: Promise<KeyEngine> | null = null;

/** WebCrypto where it has both curves, JavaScript elsewhere. Asked once. */
export function keyEngine(): Promise<KeyEngine> {
  chosen ??= Promise.all([
    importSecret('X25519', randomSecret(), false),
    importSecret('Ed25519', randomSecret(), false),
  ])
    .then(() => webEngine)
    .catch(() => softwareEngine());
  return chosen;
}
