import {
  bodyContext,
  cekContext,
  encodeHeader,
  type EnvelopeFrame,
  fromHex,
  layers,
  splitEnvelope,
  suites,
  toBase64url,
  toHex,
  utf8,
  uuidBytes,
  type Wrap,
  wrapText,
} from '@symbolon/contracts';
import { x25519 } from '@noble/curves/ed25519.js';
import { blake2b } from '@noble/hashes/blake2.js';
import { joined, open, sameBytes, seal, SealError } from './cobblestone';
import { keyEngine, randomSecret } from './key-engine';

const sha256 = async (bytes: Uint8Array): Promise<Uint8Array> =>
  new Uint8Array(await globalThis.crypto.subtle.digest('SHA-256', bytes));

const KEY_TAG = Uint8Array.of(0x31, 0x42, 0x05, 0x00);
const KEY_FORM_LENGTH = 100;
/** Of the raw bundle: format number and count, then 64 bytes per generation. */
const BUNDLE_FORMAT = 1;
const BUNDLE_HEAD = 2;
const GENERATION = 64;

/** A public or signing key that is not in the form of the contract's section 15. */
export class KeyFormError extends Error {
  override readonly name = 'KeyFormError';
}

/** The 100-byte form of an X25519 public key, as 200 hex digits. */
export function encodePublicKey(raw: Uint8Array): string {
  const start = joined([KEY_TAG, raw]);
  return toHex(joined([start, blake2b(start, { dkLen: 64 })]));
}

/**
 * The 32 bytes inside the 100-byte form. Throws `KeyFormError` for a wrong length, tag or checksum and for a point of
 * low order. The checksum guards against damage and says nothing about whose key it is.
 */
export function decodePublicKey(hex: string): Uint8Array {
  const bytes = fromHex(hex);
  const start = bytes?.subarray(0, 36);
  if (
    bytes?.length !== KEY_FORM_LENGTH ||
    !start ||
    !sameBytes(start.subarray(0, 4), KEY_TAG) ||
    !sameBytes(bytes.subarray(36), blake2b(start, { dkLen: 64 }))
  ) {
    throw new KeyFormError('not a public key');
  }
  const raw = start.slice(4);
  try {
    x25519.getSharedSecret(new Uint8Array(32).fill(1), raw);
  } catch {
    throw new KeyFormError('not a usable public key');
  }
  return raw;
}

/** SHA-256 of the 100 bytes, in hex: what people compare and clients pin. Throws `KeyFormError`. */
export async function fingerprintOf(publicKey: string): Promise<string> {
  decodePublicKey(publicKey);
  return toHex(await sha256(fromHex(publicKey)!));
}

/** One pair of key pairs; secrets and public halves are 32 bytes each. */
interface Generation {
  readonly agreement: Uint8Array;
  readonly signing: Uint8Array;
  readonly agreementPublic: Uint8Array;
  readonly signingPublic: Uint8Array;
  readonly kid: Uint8Array;
}

async function generationOf(agreement: Uint8Array, signing: Uint8Array): Promise<Generation> {
  const engine = await keyEngine();
  const [agreementPublic, signingPublic] = await Promise.all([
    engine.agreementPublic(agreement),
    engine.signingPublic(signing),
  ]);
  // RFC 7638: the required members in this order, without white space.
  const jwk = `{"crv":"X25519","kty":"OKP","x":"${toBase64url(agreementPublic)}"}`;
  return { agreement, signing, agreementPublic, signingPublic, kid: await sha256(utf8(jwk)) };
}

/**
 * The keys of a profile, made and kept where they are used: X25519 to be sealed to, Ed25519 to sign what it seals,
 * and the older ones, which still open what was sealed before.
 */
export class ProfileKeys {
  readonly #generations: readonly [Generation, ...Generation[]];

  private constructor(
    generations: readonly [Generation, ...Generation[]],
    /** 200 hex digits, as row 20 takes it. */
    readonly publicKey: string,
    /** Ed25519 public key, 64 hex digits. */
    readonly signingKey: string,
    /** SHA-256 of the public key's 100 bytes, in hex. */
    readonly fingerprint: string,
  ) {
    this.#generations = generations;
  }

  static async generate(): Promise<ProfileKeys> {
    return ProfileKeys.of([await generationOf(randomSecret(), randomSecret())]);
  }

  /** Reads what `toBytes` gave. Throws `KeyFormError`. */
  static async fromBytes(bundle: Uint8Array): Promise<ProfileKeys> {
    const count = bundle[1] ?? 0;
    if (bundle[0] !== BUNDLE_FORMAT || count === 0 || bundle.length !== BUNDLE_HEAD + count * GENERATION) {
      throw new KeyFormError('not a key bundle');
    }
    const generations: Generation[] = [];
    for (let at = BUNDLE_HEAD; at < bundle.length; at += GENERATION) {
      generations.push(await generationOf(bundle.slice(at, at + 32), bundle.slice(at + 32, at + GENERATION)));
    }
    return ProfileKeys.of(generations);
  }

  /**
   * Opens a key bundle that `seal` made. Takes a second and 64 MiB by design; the parameters of the derivation are
   * those of the suite, never of the data. Throws `SealError` for a wrong passphrase and for anything else.
   */
  static async open(envelope: Uint8Array, passphrase: string, profileId: string): Promise<ProfileKeys> {
    const parts = splitEnvelope(envelope, { layer: layers.bundle, suites: [suites.passphrase] });
    const wrap = parts?.header.wraps[0];
    if (!parts || !wrap || parts.header.wraps.length !== 1 || parts.header.flags !== 0 || wrap.signature.length !== 0) {
      throw new SealError();
    }
    const frame = bundleFrame(profileId, parts.header.version);
    const cek = await open(await passphraseKey(passphrase, wrap.kid), cekContext(frame, wrap.kid), wrap.wrapped);
    const bundle = await open(cek, bodyContext(frame), parts.body);
    try {
      return await ProfileKeys.fromBytes(bundle);
    } finally {
      for (const secret of [cek, bundle]) secret.fill(0);
    }
  }

  private static async of(generations: readonly Generation[]): Promise<ProfileKeys> {
    const [current, ...older] = generations as [Generation, ...Generation[]];
    const publicKey = encodePublicKey(current.agreementPublic);
    return new ProfileKeys(
      [current, ...older],
      publicKey,
      toHex(current.signingPublic),
      toHex(await sha256(fromHex(publicKey)!)),
    );
  }

  /** A new pair of key pairs in front; the present ones go on opening what was sealed to them. */
  async renewed(): Promise<ProfileKeys> {
    return ProfileKeys.of([await generationOf(randomSecret(), randomSecret()), ...this.#generations]);
  }

  /** All secrets, unsealed, for an application that has a secret store of its own. */
  toBytes(): Uint8Array {
    return joined([
      Uint8Array.of(BUNDLE_FORMAT, this.#generations.length),
      ...this.#generations.flatMap(({ agreement, signing }) => [agreement, signing]),
    ]);
  }

  /** All secrets under a passphrase: a SYM1 envelope of layer 4, suite 0x11. */
  async seal(passphrase: string, profileId: string): Promise<Uint8Array> {
    const frame = bundleFrame(profileId, 0);
    const kid = globalThis.crypto.getRandomValues(new Uint8Array(16));
    const cek = randomSecret();
    const bundle = this.toBytes();
    const wrapped = await seal(await passphraseKey(passphrase, kid), cekContext(frame, kid), cek);
    const none = new Uint8Array();
    const header = encodeHeader({ ...frame, wraps: [{ kid, enc: none, wrapped, signature: none }] });
    const envelope = joined([header, await seal(cek, bodyContext(frame), bundle)]);
    for (const secret of [cek, bundle]) secret.fill(0);
    return envelope;
  }

  /** Wraps a content key to this profile's own public key and signs the wrap. */
  async wrap(frame: EnvelopeFrame, cek: Uint8Array): Promise<Wrap> {
    const engine = await keyEngine();
    const [{ agreementPublic, signing, kid }] = this.#generations;
    const info = cekContext(frame, frame.owner);
    const { enc, ciphertext } = await engine.seal(agreementPublic, info, cek);
    return { kid, enc, wrapped: ciphertext, signature: await engine.sign(signing, wrapText(info, enc, ciphertext)) };
  }

  /**
   * Opens the wrap that is addressed to one of these keys, after checking that one of these keys signed it: HPKE alone
   * says nothing about who sealed. Throws `SealError`.
   */
  async unwrap(frame: EnvelopeFrame, wraps: readonly Wrap[]): Promise<Uint8Array> {
    const engine = await keyEngine();
    const info = cekContext(frame, frame.owner);
    for (const wrap of wraps) {
      const receiver = this.#generations.find(({ kid }) => sameBytes(kid, wrap.kid));
      if (!receiver || wrap.signature.length !== 64) continue;
      const text = wrapText(info, wrap.enc, wrap.wrapped);
      for (const { signingPublic } of this.#generations) {
        if (!(await engine.verify(signingPublic, text, wrap.signature))) continue;
        return engine.open(receiver.agreement, info, { enc: wrap.enc, ciphertext: wrap.wrapped });
      }
    }
    throw new SealError();
  }
}

function bundleFrame(profileId: string, version: number): EnvelopeFrame {
  const none = new Uint8Array();
  return {
    layer: layers.bundle,
    suite: suites.passphrase,
    flags: 0,
    version,
    binding: none,
    owner: uuidBytes(profileId),
  };
}

/** Suite 0x11: argon2id with 64 MiB, 3 passes, 4 lanes. Loaded only when a passphrase is used. */
async function passphraseKey(passphrase: string, salt: Uint8Array): Promise<Uint8Array> {
  const { argon2id } = await import('hash-wasm');
  return argon2id({
    password: utf8(passphrase),
    salt,
    memorySize: 65_536,
    iterations: 3,
    parallelism: 4,
    hashLength: 32,
    outputType: 'binary',
  });
}
