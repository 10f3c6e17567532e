import { createHash, type KeyObject } from 'node:crypto';
import {
  bindingText,
  bodyContext,
  cekContext,
  encodeHeader,
  type EnvelopeFrame,
  splitEnvelope,
  suites,
  uuidBytes,
  wrapText,
} from '@symbolon/contracts';
import { open, seal } from '../src/seal/cobblestone';
import { openMessage, sealMessageFrom } from '../src/seal/hpke';
import { SealError } from '../src/seal/seal-error';
import { jwkThumbprint } from '../src/seal/x25519';
import { signBytes, verifyBytes } from '../src/sign/ed25519';

/** What an application binds a payload to. */
export interface ApplicationBinding {
  readonly layer: 1 | 8;
  readonly token: string;
  readonly owner: string;
  readonly version: number;
  readonly flags: number;
}

export function bindingId(token: string): Buffer {
  return createHash('sha256').update(bindingText(token)).digest().subarray(0, 16);
}

/** Layers 1 and 8 as an application makes them, with every random value given. */
export function sealApplicationLayer(
  binding: ApplicationBinding,
  keys: { contentKey: Buffer; receiver: Buffer; ephemeral: KeyObject; signing: KeyObject; salt: Buffer },
  payload: Uint8Array,
): Buffer {
  const frame = frameOf(binding);
  const context = cekContext(frame, uuidBytes(binding.owner));
  const message = sealMessageFrom(keys.ephemeral, keys.receiver, context, keys.contentKey);
  const [enc, wrapped] = [message.subarray(0, 32), message.subarray(32)];
  const kid = Buffer.from(jwkThumbprint('X25519', keys.receiver), 'base64url');
  const signature = signBytes(keys.signing, wrapText(context, enc, wrapped));
  const header = encodeHeader({ ...frame, wraps: [{ kid, enc, wrapped, signature }] });
  return Buffer.concat([header, seal(keys.contentKey, bodyContext(frame), payload, keys.salt)]);
}

/** Opens them as an application does: only what `signer` (64 hex digits) wrapped, for this binding. Throws SealError. */
export function openApplicationLayer(
  binding: ApplicationBinding,
  keys: { receiver: KeyObject; signer: string },
  envelope: Uint8Array,
): Buffer {
  const frame = frameOf(binding);
  const split = splitEnvelope(envelope, { layer: frame.layer, suites: [suites.hpke] });
  const [wrap] = split?.header.wraps ?? [];
  if (!split || !wrap || split.header.version !== frame.version || split.header.flags !== frame.flags)
    throw new SealError();
  const context = cekContext(frame, uuidBytes(binding.owner));
  if (!verifyBytes(keys.signer, wrapText(context, wrap.enc, wrap.wrapped), wrap.signature)) throw new SealError();
  const contentKey = openMessage([keys.receiver], context, Buffer.concat([wrap.enc, wrap.wrapped]));
  return open(contentKey, bodyContext(frame), split.body);
}

function frameOf({ layer, token, owner, version, flags }: ApplicationBinding): EnvelopeFrame {
  return { layer, suite: suites.hpke, flags, version, binding: bindingId(token), owner: uuidBytes(owner) };
}
