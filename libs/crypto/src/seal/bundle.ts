import { randomBytes } from 'node:crypto';
import { hashRaw } from '@node-rs/argon2';
import { bodyContext, cekContext, encodeHeader, layers, splitEnvelope, suites, uuidBytes } from '@symbolon/contracts';
import { open, seal } from './cobblestone';
import { hkdfExpand } from './hkdf';
import { SealError } from './seal-error';

/** What opens a bundle: a master key of 32 random bytes (suite 0x10), or a person's passphrase (suite 0x11). */
export type BundleSecret = { readonly master: Uint8Array } | { readonly passphrase: string };

const none = new Uint8Array(0);
/** Fixed by the suite: a bundle never says how it is to be stretched. */
const stretching = { memoryCost: 65_536, timeCost: 3, parallelism: 4, outputLen: 32 } as const;

/** Seals a key bundle or key ring (SYM1 layer 4). `owner`: the profile's id, null for the server's own. */
export async function sealBundle(secret: BundleSecret, owner: string | null, plaintext: Uint8Array): Promise<Buffer> {
  const frame = frameOf(secret, owner);
  const kid = 'master' in secret ? kidOf(secret.master) : randomBytes(16);
  const [kek, contentKey] = [await kekOf(secret, kid), randomBytes(32)];
  const wrapped = seal(kek, cekContext(frame, kid), contentKey);
  const header = encodeHeader({ ...frame, wraps: [{ kid, enc: none, wrapped, signature: none }] });
  const body = seal(contentKey, bodyContext(frame), plaintext);
  contentKey.fill(0);
  return Buffer.concat([header, body]);
}

/** Opens a bundle. Throws SealError, whatever is wrong. */
export async function openBundle(secret: BundleSecret, owner: string | null, bundle: Uint8Array): Promise<Buffer> {
  const frame = frameOf(secret, owner);
  const envelope = splitEnvelope(bundle, { layer: frame.layer, suites: [frame.suite] });
  const [wrap, ...others] = envelope?.header.wraps ?? [];
  if (!envelope || !wrap || others.length > 0 || wrap.signature.length > 0) throw new SealError();
  if (envelope.header.flags !== frame.flags || envelope.header.version !== frame.version) throw new SealError();
  const contentKey = open(await kekOf(secret, wrap.kid), cekContext(frame, wrap.kid), wrap.wrapped);
  const plaintext = open(contentKey, bodyContext(frame), envelope.body);
  contentKey.fill(0);
  return plaintext;
}

function frameOf(secret: BundleSecret, owner: string | null) {
  return {
    layer: layers.bundle,
    suite: 'master' in secret ? suites.symmetric : suites.passphrase,
    flags: 0,
    version: 0,
    binding: none,
    owner: owner === null ? none : uuidBytes(owner),
  };
}

/** A name for a master key that says nothing of it. */
function kidOf(master: Uint8Array): Buffer {
  return hkdfExpand('sha256', master, Buffer.from('symbolon/1 kid'), 16);
}

async function kekOf(secret: BundleSecret, kid: Uint8Array): Promise<Uint8Array> {
  return 'master' in secret ? secret.master : hashRaw(secret.passphrase, { ...stretching, salt: kid });
}
