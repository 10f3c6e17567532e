import { type KeyObject, randomBytes } from 'node:crypto';
import type { Transform } from 'node:stream';
import { sealedLength, streamInfo, utf8 } from '@symbolon/contracts';
import { CobblestoneSealer, OpeningStream } from './chunk-stream';
import { messageOverhead, openMessage, sealMessage } from './hpke';
import { SealError } from './seal-error';

const keyLength = 32;
const prefixLength = messageOverhead + keyLength;
const context = utf8(streamInfo);

/** Length of the sealed stream around `length` bytes. */
export function sealedStreamLength(length: number): number {
  return prefixLength + sealedLength(length);
}

/**
 * A sealed stream (API contract, section 15) to the receiver's raw public key: a sealed message around a fresh stream
 * key, then one Cobblestone-256 message.
 */
export function sealStreamTo(receiver: Uint8Array): Transform {
  const key = randomBytes(keyLength);
  const sealer = new CobblestoneSealer(key, context, { prefix: sealMessage(receiver, streamInfo, key) });
  key.fill(0);
  return sealer;
}

/** Opens a sealed stream with the first private key that fits; fails with SealError. */
export function openStreamFrom(privateKeys: readonly KeyObject[]): Transform {
  return new OpeningStream(prefixLength, (prefix) => {
    const key = openMessage(privateKeys, streamInfo, prefix);
    if (key.length !== keyLength) throw new SealError();
    return { key, context };
  });
}
