import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hashRaw } from '@node-rs/argon2';
import {
  bodyContext,
  cekContext,
  chunkNonce,
  chunkOffset,
  cobblestone,
  decodeHeader,
  deriveInfo,
  encodeHeader,
  flags,
  layers,
  lookupText,
  pad,
  padmeLength,
  pae,
  sealedLength,
  splitEnvelope,
  suites,
  unpad,
  uuidBytes,
} from '@symbolon/contracts';
import {
  blobName,
  CobblestoneOpener,
  encodePublicKey,
  generateKeyPair,
  importX25519Private,
  KeyFormError,
  mintSecret,
  open,
  openBundle,
  openLayer2,
  openLayer3,
  openMessage,
  openRange,
  openStreamFrom,
  parsePublicKey,
  parseSigningKey,
  SealError,
  seal,
  sealBundle,
  sealLayer2,
  sealLayer3,
  sealMessage,
  sealStreamTo,
  uuid7,
} from '../src';
import { beginMessage } from '../src/seal/cobblestone';
import { hkdfExpand } from '../src/seal/hkdf';
import { ed25519Public, importEd25519Private } from '../src/sign/ed25519';
import { openApplicationLayer, sealApplicationLayer } from './application-layer';
import { pass, through } from './collect';

const key = randomBytes(32);
const context = pae('symbolon/1', 'test');
const owner = '01937b49-0c11-7f3e-8d02-5a6b7c8d9e0f';
const flip = (bytes: Uint8Array, bit: number) => {
  const out = Buffer.from(bytes);
  const at = Math.floor(bit / 8);
  out[at] = (out[at] ?? 0) ^ (2 ** (bit % 8));
  return out;
};
const memory = (message: Uint8Array) => ({
  length: message.length,
  read: async (start: number, end: number) => message.subarray(start, end),
});

/** Carries an attack on a message through every way of opening it. A stream may give a true beginning, never more. */
async function refused(message: Uint8Array, truth: Uint8Array): Promise<void> {
  expect(() => open(key, context, message)).toThrow(SealError);
  await expect(openRange(key, context, memory(message), 0, Number.MAX_SAFE_INTEGER)).rejects.toThrow(SealError);
  const { output, fault } = await pass(new CobblestoneOpener(key, context), message, 10_000);
  expect(fault).toBeInstanceOf(SealError);
  expect(output.length % cobblestone.chunk).toBe(0);
  expect(output.equals(Buffer.from(truth).subarray(0, output.length))).toBe(true);
}

describe('W8: wraps', () => {
  const ends = Buffer.from(generateKeyPair().publicKey, 'hex').subarray(4, 36);
  const wrapped = (cut: number, suite: number) => {
    const enc = suite === suites.hpke ? randomBytes(32) : new Uint8Array(0);
    const whole = randomBytes(suite === suites.hpke ? 48 : 104);
    return {
      kid: randomBytes(suite === suites.hpke ? 32 : 16),
      enc,
      wrapped: whole.subarray(0, whole.length - cut),
      signature: new Uint8Array(0),
    };
  };

  test.each([suites.hpke, suites.symmetric, suites.passphrase])('of suite %i have one length', (suite) => {
    const header = { layer: layers.bundle, suite, flags: 0, version: 0 };
    const whole = encodeHeader({ ...header, wraps: [wrapped(0, suite)] });
    expect(decodeHeader(whole, { layer: 4, suites: [suite] })).toMatchObject({ suite });
    expect(() => encodeHeader({ ...header, wraps: [wrapped(12, suite)] })).toThrow(RangeError);
    const cut = Buffer.from(whole.subarray(0, whole.length - 13));
    const lengthAt = whole.length - 1 - (suite === suites.hpke ? 48 : 104) - 2;
    cut.writeUInt16LE(cut.readUInt16LE(lengthAt) - 12, lengthAt);
    expect(decodeHeader(Buffer.concat([cut, Uint8Array.of(0)]), { layer: 4, suites: [suite] })).toBe('malformed');
  });

  test('of one key differ', () => {
    expect(sealMessage(ends, 'x', key).equals(sealMessage(ends, 'x', key))).toBe(false);
    expect(seal(key, context, key).equals(seal(key, context, key))).toBe(false);
  });

  test('a sealed message with its tag cut does not open', () => {
    const pair = generateKeyPair();
    const { raw } = parsePublicKey(pair.publicKey);
    const receiver = importX25519Private(pair.privateKey);
    const sealed = sealMessage(raw, 'x', key);
    for (let cut = 1; cut <= sealed.length; cut++) {
      expect(() => openMessage([receiver], 'x', sealed.subarray(0, sealed.length - cut))).toThrow(SealError);
    }
    expect(openMessage([receiver], 'x', sealed).equals(key)).toBe(true);
  });
});

test('W10: what is minted is random and nothing else', () => {
  const minted = Array.from({ length: 200 }, () => mintSecret('dt_'));
  expect(new Set(minted).size).toBe(200);
  for (const secret of minted) expect(secret).toMatch(/^dt_[A-Za-z0-9_-]{43}$/);
  const bits = Buffer.concat(minted.map((secret) => Buffer.from(secret.slice(3), 'base64url')));
  const ones = bits.reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0);
  // 51,200 fair bits: 12 standard deviations either way.
  expect(Math.abs(ones - 25_600)).toBeLessThan(1_360);
});

describe('C3: a device’s blob', () => {
  const master = randomBytes(32);
  const kid = randomBytes(16);
  const binding = { objectId: 'e727d72273d3cc6f9f39dc5589beadf3', deviceIdentifier: owner, version: 3 };
  const bytes = randomBytes(20_000);

  test('opens in its own place only', async () => {
    const blob = await through(sealLayer3(master, kid, binding), bytes);
    expect((await through(openLayer3(master, kid, binding), blob)).equals(bytes)).toBe(true);
    const elsewhere = [
      openLayer3(master, kid, { ...binding, objectId: 'e727d72273d3cc6f9f39dc5589beadf4' }),
      openLayer3(master, kid, { ...binding, deviceIdentifier: uuid7() }),
      openLayer3(master, kid, { ...binding, version: 2 }),
      openLayer3(master, randomBytes(16), binding),
      openLayer3(randomBytes(32), kid, binding),
    ];
    for (const opener of elsewhere) {
      const { output, fault } = await pass(opener, blob);
      expect([fault instanceof SealError, output.length]).toEqual([true, 0]);
    }
  });

  test('does not open with another blob’s wrap or header', async () => {
    const one = await through(sealLayer3(master, kid, binding), bytes);
    for (const other of [{ ...binding }, { ...binding, version: 4 }, { ...binding, objectId: '0'.repeat(32) }]) {
      const two = await through(sealLayer3(master, kid, other), bytes);
      const mixed = Buffer.concat([two.subarray(0, 138), one.subarray(138)]);
      for (const place of [binding, other]) {
        const { output, fault } = await pass(openLayer3(master, kid, place), mixed);
        expect([fault instanceof SealError, output.length]).toEqual([true, 0]);
      }
    }
  });

  test('has another name at another device, object and version', () => {
    const names = [
      blobName(master, binding.objectId, 3),
      blobName(master, binding.objectId, 4),
      blobName(master, '0'.repeat(32), 3),
      blobName(randomBytes(32), binding.objectId, 3),
    ];
    expect(new Set(names).size).toBe(4);
    for (const name of names) expect(name).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('the server’s layer', () => {
  const binding = { tokenId: uuid7(), parcelId: uuid7(), owner: uuid7() };

  test('opens for its token, parcel and owner only', async () => {
    const bytes = randomBytes(40_000);
    const sealed = await through(sealLayer2(key, binding), bytes);
    expect((await through(openLayer2(key, binding), sealed)).equals(bytes)).toBe(true);
    for (const wrong of ['tokenId', 'parcelId', 'owner']) {
      const { output, fault } = await pass(openLayer2(key, { ...binding, [wrong]: uuid7() }), sealed);
      expect([fault instanceof SealError, output.length]).toEqual([true, 0]);
    }
    expect((await pass(openLayer2(randomBytes(32), binding), sealed)).fault).toBeInstanceOf(SealError);
  });

  test('F3: every bit of its header counts', async () => {
    const sealed = await through(sealLayer2(key, binding), randomBytes(10));
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const { output, fault } = await pass(openLayer2(key, binding), flip(sealed, bit));
      expect([bit, fault instanceof SealError, output.length]).toEqual([bit, true, 0]);
    }
  });
});

describe('F1: one ciphertext for two keys', () => {
  /** The field of GHASH (SP 800-38D): bit 0 is the highest. */
  const reduction = 0xe1n << 120n;
  const times = (x: bigint, y: bigint) => {
    let product = 0n;
    for (let bit = 127n, v = y; bit >= 0n; bit--) {
      if ((x >> bit) & 1n) product ^= v;
      v = v & 1n ? (v >> 1n) ^ reduction : v >> 1n;
    }
    return product;
  };
  const inverse = (x: bigint) => {
    let result = 1n << 127n;
    for (let bit = 0, square = x; bit < 128; bit++, square = times(square, square))
      if (bit > 0) result = times(result, square);
    return result;
  };
  const number = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
  const block = (value: bigint) => Buffer.from(value.toString(16).padStart(32, '0'), 'hex');
  const aes = (k: Uint8Array, input: Uint8Array) =>
    createCipheriv('aes-256-ecb', k, null).setAutoPadding(false).update(input);
  const gcmOpens = (k: Uint8Array, nonce: Uint8Array, sealed: Uint8Array) => {
    const decipher = createDecipheriv('aes-256-gcm', k, nonce).setAuthTag(sealed.subarray(-16));
    return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
  };
  /** Ciphertext and tag of one block that pass under both keys. */
  const forge = (a: { key: Uint8Array; nonce: Uint8Array }, b: { key: Uint8Array; nonce: Uint8Array }) => {
    const part = ({ key: k, nonce }: typeof a) => ({
      h: number(aes(k, Buffer.alloc(16))),
      mask: number(aes(k, Buffer.concat([nonce, Buffer.from([0, 0, 0, 1])]))),
    });
    const [one, two] = [part(a), part(b)];
    const length = 128n;
    const right = times(length, one.h ^ two.h) ^ one.mask ^ two.mask;
    const cipher = times(right, inverse(times(one.h, one.h) ^ times(two.h, two.h)));
    const tag = times(cipher, times(one.h, one.h)) ^ times(length, one.h) ^ one.mask;
    return Buffer.concat([block(cipher), block(tag)]);
  };
  test('works against plain AES-GCM', () => {
    const [a, b] = [
      { key: randomBytes(32), nonce: randomBytes(12) },
      { key: randomBytes(32), nonce: randomBytes(12) },
    ];
    const both = forge(a, b);
    expect(gcmOpens(a.key, a.nonce, both).equals(gcmOpens(b.key, b.nonce, both))).toBe(false);
  });

  test('is stopped by the commitment', () => {
    const [first, second, salt] = [randomBytes(32), randomBytes(32), randomBytes(24)];
    const material = (inputKey: Buffer) => {
      const out = hkdfExpand('sha512', inputKey, deriveInfo(salt, context), 76);
      return { key: out.subarray(0, 32), nonce: chunkNonce(out.subarray(32, 44), 0) };
    };
    const [a, b] = [material(first), material(second)];
    const chunk = forge(a, b);
    expect(gcmOpens(a.key, a.nonce, chunk)).toHaveLength(16);
    expect(gcmOpens(b.key, b.nonce, chunk)).toHaveLength(16);
    const message = Buffer.concat([beginMessage(first, context, salt).head, chunk]);
    expect(open(first, context, message)).toHaveLength(16);
    expect(() => open(second, context, message)).toThrow(SealError);
    const swapped = Buffer.concat([beginMessage(second, context, salt).head, chunk]);
    expect(() => open(first, context, swapped)).toThrow(SealError);
    expect(open(second, context, swapped)).toHaveLength(16);
  });
});

describe('F2: chunks cut, added, dropped, repeated, reordered', () => {
  const plaintext = randomBytes(3 * 16_384 + 100);
  const salt = randomBytes(24);
  const message = seal(key, context, plaintext, salt);
  const chunk = (index: number) =>
    message.subarray(chunkOffset(index), Math.min(chunkOffset(index + 1), message.length));
  const of = (...indexes: number[]) => Buffer.concat([message.subarray(0, 56), ...indexes.map(chunk)]);

  test('the message itself opens', () => {
    expect(open(key, context, of(0, 1, 2, 3)).equals(plaintext)).toBe(true);
  });

  test.each([
    ['cut before the first chunk', message.subarray(0, 56)],
    ['cut after the first chunk', of(0)],
    ['cut after the second chunk', of(0, 1)],
    ['cut after the last full chunk', of(0, 1, 2)],
    ['cut inside the first chunk', message.subarray(0, 5_000)],
    ['cut inside a later chunk', message.subarray(0, chunkOffset(2) + 9_000)],
    ['cut inside the last chunk', message.subarray(0, -1)],
    ['cut to the tag of the last chunk', message.subarray(0, chunkOffset(3) + 16)],
    ['cut inside a tag', message.subarray(0, chunkOffset(1) - 3)],
    ['cut inside the head', message.subarray(0, 55)],
    ['one byte more', Buffer.concat([message, Uint8Array.of(0)])],
    ['a valid chunk more', Buffer.concat([message, chunk(0)])],
    ['the last chunk twice', of(0, 1, 2, 3, 3)],
    ['the first chunk dropped', of(1, 2, 3)],
    ['a middle chunk dropped', of(0, 2, 3)],
    ['a chunk repeated', of(0, 0, 1, 2, 3)],
    ['a chunk repeated in place of another', of(0, 0, 2, 3)],
    ['two chunks swapped', of(1, 0, 2, 3)],
    ['the last chunk first', of(3, 0, 1, 2)],
  ])('%s', async (_, attacked) => {
    await refused(attacked, plaintext);
  });

  test('a chunk of a longer message of the same key and salt does not end a shorter one', async () => {
    const longer = seal(key, context, randomBytes(5 * 16_384 + 100), salt);
    await refused(Buffer.concat([of(0, 1, 2), longer.subarray(chunkOffset(5))]), plaintext);
  });

  test('ranges over whole chunks open, ranges over broken ones do not', async () => {
    const broken = flip(message, (chunkOffset(1) + 77) * 8);
    expect((await openRange(key, context, memory(broken), 0, 16_384)).equals(plaintext.subarray(0, 16_384))).toBe(true);
    await expect(openRange(key, context, memory(broken), 16_384, 16_385)).rejects.toThrow(SealError);
    await expect(
      openRange(key, context, { ...memory(message), read: async () => Buffer.alloc(3) }, 0, 9),
    ).rejects.toThrow(SealError);
  });
});

describe('F3: each bit', () => {
  test('of salt, commitment and an only chunk', async () => {
    const plaintext = randomBytes(30);
    const message = seal(key, context, plaintext);
    const faults = new Set<string>();
    for (let bit = 0; bit < message.length * 8; bit++) {
      try {
        open(key, context, flip(message, bit));
        faults.add(`opened with bit ${bit} changed`);
      } catch (error) {
        faults.add(String(error));
      }
    }
    expect([...faults]).toEqual(['SealError: cannot be opened']);
    expect(open(key, context, message).equals(plaintext)).toBe(true);
  });

  test('of the tags and ends of first and last chunk', async () => {
    const plaintext = randomBytes(16_384 + 50);
    const message = seal(key, context, plaintext);
    const places = [
      56,
      57,
      8_000,
      chunkOffset(1) - 17,
      chunkOffset(1) - 16,
      chunkOffset(1) - 1,
      chunkOffset(1),
      message.length - 17,
      message.length - 1,
    ];
    for (const place of places) {
      for (let bit = 0; bit < 8; bit++) await refused(flip(message, place * 8 + bit), plaintext);
    }
  });
});

describe('F4: headers', () => {
  const none = new Uint8Array(0);
  const wrap = { kid: randomBytes(32), enc: randomBytes(32), wrapped: randomBytes(48), signature: randomBytes(64) };
  const header = { layer: 1, suite: suites.hpke, flags: 0, version: 7, wraps: [wrap] };
  const good = encodeHeader(header);
  const body = randomBytes(72);
  const expected = { layer: 1, suites: [suites.hpke] };
  const with_ = (at: number, value: number) => {
    const bytes = Buffer.from(good);
    bytes[at] = value;
    return bytes;
  };

  test('the good one is read', () => {
    expect(splitEnvelope(Buffer.concat([good, body]), expected)).toMatchObject({
      header: { version: 7, length: good.length, wraps: [{ kid: wrap.kid }] },
    });
    expect(
      decodeHeader(encodeHeader({ ...header, wraps: Array.from({ length: 64 }, () => wrap) }), expected),
    ).toMatchObject({
      length: 12 + 64 * 182,
    });
  });

  test.each([
    ['other magic', with_(0, 0x54)],
    ['other version of the magic', with_(3, 0x32)],
    ['another layer than expected', with_(4, 2)],
    ['unknown layer', with_(4, 9)],
    ['layer of stage 2', with_(4, 5)],
    ['suite 0x02', with_(5, 2)],
    ['suite 0x03', with_(5, 3)],
    ['a suite that is not on the list', with_(5, suites.symmetric)],
    ['unknown suite', with_(5, 0xff)],
    ['unknown flag', with_(6, 4)],
    ['all flags', with_(6, 0xff)],
    ['detached with a wrap', with_(6, flags.detached)],
    ['65 wraps', with_(11, 65)],
    ['255 wraps', with_(11, 255)],
    ['no wrap', with_(11, 0)],
    ['a kid of another length', with_(12, 16)],
    ['an enc of another length', with_(45, 31)],
    ['a wrapped key of another length', with_(79, 104)],
    ['a long wrapped key', with_(80, 0xff)],
    ['a signature of another length', with_(129, 63)],
  ])('%s', (_, bytes) => {
    expect(decodeHeader(bytes, expected)).toBe('malformed');
    expect(splitEnvelope(Buffer.concat([bytes, body]), expected)).toBeNull();
  });

  test('a layer is not opened as another, also when it is known', () => {
    expect(decodeHeader(good, { layer: 8, suites: [suites.hpke] })).toBe('malformed');
    expect(decodeHeader(with_(4, 5), { layer: 5, suites: [suites.hpke] })).toBe('malformed');
    expect(decodeHeader(with_(5, 2), { layer: 1, suites: [2] })).toBe('malformed');
  });

  test('lengths beyond the input and short bodies', () => {
    for (let length = 0; length < good.length; length++) {
      expect(decodeHeader(good.subarray(0, length), expected)).toBe('incomplete');
      expect(splitEnvelope(good.subarray(0, length), expected)).toBeNull();
    }
    for (let length = 0; length < 72; length++) {
      expect(splitEnvelope(Buffer.concat([good, body.subarray(0, length)]), expected)).toBeNull();
    }
  });

  test('what cannot be read cannot be written', () => {
    for (const wrong of [
      { layer: 9 },
      { suite: 2 },
      { flags: 4 },
      { flags: flags.detached },
      { version: -1 },
      { version: 2 ** 32 },
      { version: 0.5 },
      { wraps: [] },
      { wraps: Array.from({ length: 65 }, () => wrap) },
      { wraps: [{ ...wrap, kid: none }] },
      { wraps: [{ ...wrap, signature: randomBytes(63) }] },
    ]) {
      expect(() => encodeHeader({ ...header, ...wrong })).toThrow(RangeError);
    }
  });

  test('a bundle of a suite or shape that is not the secret’s is refused before any key is used', async () => {
    const bundle = await sealBundle({ master: key }, owner, Buffer.from('x'));
    await expect(openBundle({ passphrase: 'x' }, owner, bundle)).rejects.toThrow(SealError);
    for (const bytes of [Buffer.alloc(0), bundle.subarray(0, 100), with_(0, 0), good]) {
      await expect(openBundle({ master: key }, owner, bytes)).rejects.toThrow(SealError);
    }
    await expect(openBundle({ master: key }, null, bundle)).rejects.toThrow(SealError);
    await expect(openBundle({ master: randomBytes(32) }, owner, bundle)).rejects.toThrow(SealError);
    expect((await openBundle({ master: key }, owner, bundle)).toString()).toBe('x');
  });
});

describe('F5: keys in the exchange form', () => {
  const { publicKey } = generateKeyPair();

  test.each([
    ['nothing', ''],
    ['too short', publicKey.slice(2)],
    ['too long', `${publicKey}00`],
    ['no hex', `g${publicKey.slice(1)}`],
    ['another tag', `31420501${publicKey.slice(8)}`],
    ['a changed key', `${publicKey.slice(0, 8)}${publicKey[8] === '0' ? '1' : '0'}${publicKey.slice(9)}`],
    ['a changed checksum', `${publicKey.slice(0, -1)}${publicKey.endsWith('0') ? '1' : '0'}`],
    ['a line break', `${publicKey}\n`],
    ['zeros of low order', encodePublicKey(Buffer.alloc(32))],
    ['one of low order', encodePublicKey(Buffer.concat([Uint8Array.of(1), Buffer.alloc(31)]))],
    ['p of low order', encodePublicKey(Buffer.from(`ed${'ff'.repeat(30)}7f`, 'hex'))],
  ])('%s is refused', (_, hex) => {
    expect(() => parsePublicKey(hex)).toThrow(KeyFormError);
  });

  test('low order is refused as receiver too', () => {
    expect(() => sealMessage(Buffer.alloc(32), 'x', key)).toThrow();
    expect(() => sealStreamTo(Buffer.alloc(32))).toThrow();
    expect(parsePublicKey(publicKey.toUpperCase()).hex).toBe(publicKey);
  });

  test('signing and private keys have their form', () => {
    expect(parseSigningKey('AB'.repeat(32))).toBe('ab'.repeat(32));
    for (const hex of ['', 'ab'.repeat(31), 'zz'.repeat(32), `${'ab'.repeat(32)}\n`]) {
      expect(() => parseSigningKey(hex)).toThrow(KeyFormError);
      expect(() => importX25519Private(hex)).toThrow(KeyFormError);
      expect(() => importEd25519Private(hex)).toThrow(KeyFormError);
    }
  });
});

describe('F6: large numbers', () => {
  test('chunk numbers beyond 2^31 and 2^32 give their own nonces', () => {
    const base = randomBytes(12);
    const wide = (index: number) => {
      const value = BigInt(`0x${base.toString('hex')}`) ^ BigInt(index);
      return value.toString(16).padStart(24, '0');
    };
    for (const index of [0, 1, 255, 256, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 2 ** 32, 2 ** 32 + 5, 2 ** 38]) {
      expect(Buffer.from(chunkNonce(base, index)).toString('hex')).toBe(wide(index));
    }
    for (const index of [-1, 0.5, NaN, 2 ** 53]) expect(() => chunkNonce(base, index)).toThrow(RangeError);
  });

  test('a range far beyond 4 GiB is read where it lies', async () => {
    const { head, chunks } = beginMessage(key, context);
    const length = (2 ** 31 + 5) * 16_384 + 10;
    const at = (index: number, plain: Uint8Array) => {
      const cipher = chunks.cipher(index);
      return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
    };
    const read = async (start: number, end: number) => {
      if (start === 0) return head;
      const index = (start - 56) / 16_400;
      const size = end - start - 16;
      return at(index, Buffer.alloc(size, index % 251));
    };
    const source = { length: sealedLength(length), read };
    const middle = (2 ** 31 + 2) * 16_384;
    const range = await openRange(key, context, source, middle - 2, middle + 2);
    expect([...range]).toEqual([(2 ** 31 + 1) % 251, (2 ** 31 + 1) % 251, (2 ** 31 + 2) % 251, (2 ** 31 + 2) % 251]);
    expect(await openRange(key, context, source, length - 3, length + 3)).toHaveLength(3);
  });
});

test('F7: bytes shifted between parts give other contexts', () => {
  const lists = [
    ['ab', 'c'],
    ['a', 'bc'],
    ['abc'],
    ['abc', ''],
    ['', 'abc'],
    ['ab', 'c', ''],
    [pae('ab', 'c')],
    [7],
    [Buffer.from([7, 0, 0, 0, 0, 0, 0, 0]), ''],
    [71],
    ['7', '1'],
  ];
  expect(new Set(lists.map((parts) => Buffer.from(pae(...parts)).toString('hex'))).size).toBe(lists.length);
  const [one, two] = [lookupText('qr', 'x'), lookupText('oauth-code', 'x')];
  expect(() => open(key, two, seal(key, one, Buffer.from('x')))).toThrow(SealError);
  for (const wrong of [-1, 0.5, 2 ** 53, -1n, 2n ** 64n]) expect(() => pae(wrong)).toThrow(RangeError);
});

describe('F8: padding', () => {
  test('is undone, and grows by at most an eighth', () => {
    for (const length of [0, 1, 7, 8, 9, 100, 1_000, 100_003]) {
      const payload = randomBytes(length);
      const padded = pad(payload);
      expect(padded.length).toBe(padmeLength(8 + length));
      expect(padded.length).toBeLessThanOrEqual((8 + length) * 1.12 + 1);
      expect(Buffer.from(unpad(padded) ?? [1]).equals(payload)).toBe(true);
    }
    expect([1, 8, 9, 100, 1000, 100_000].map(padmeLength)).toEqual([1, 8, 10, 104, 1024, 100_352]);
  });

  test('with anything but zeros, a length beyond the body or another size is refused', () => {
    const padded = Buffer.from(pad(randomBytes(1000 - 8)));
    expect(padded).toHaveLength(1024);
    for (let at = 1000; at < 1024; at++) expect(unpad(flip(padded, at * 8))).toBeNull();
    for (const length of [1024n, 1017n, 2n ** 63n, 2n ** 64n - 1n, 10n]) {
      const wrong = Buffer.from(padded);
      wrong.writeBigUInt64LE(length, 0);
      expect(unpad(wrong)).toBeNull();
    }
    expect(unpad(Buffer.concat([padded, Buffer.alloc(1)]))).toBeNull();
    expect(unpad(padded.subarray(0, 1000))).toBeNull();
    expect(unpad(Buffer.alloc(7))).toBeNull();
  });
});

test('K6: a bundle stretched with weaker parameters is not opened, for no header can name them', async () => {
  const [salt, contentKey, passphrase] = [randomBytes(16), randomBytes(32), 'correct horse'];
  const none = new Uint8Array(0);
  const frame = { layer: 4, suite: suites.passphrase, flags: 0, version: 0, binding: none, owner: uuidBytes(owner) };
  const bundle = async (memoryCost: number) => {
    const kek = await hashRaw(passphrase, { memoryCost, timeCost: 3, parallelism: 4, outputLen: 32, salt });
    const wrap = { kid: salt, enc: none, wrapped: seal(kek, cekContext(frame, salt), contentKey), signature: none };
    return Buffer.concat([
      encodeHeader({ ...frame, wraps: [wrap] }),
      seal(contentKey, bodyContext(frame), Buffer.from('x')),
    ]);
  };
  expect((await openBundle({ passphrase }, owner, await bundle(65_536))).toString()).toBe('x');
  await expect(openBundle({ passphrase }, owner, await bundle(19_456))).rejects.toThrow(SealError);
  await expect(openBundle({ passphrase: 'correct horsf' }, owner, await bundle(65_536))).rejects.toThrow(SealError);
});

describe('an application’s layer', () => {
  const pair = generateKeyPair();
  const signing = importEd25519Private(randomBytes(32));
  const foreign = importEd25519Private(randomBytes(32));
  const receiver = importX25519Private(pair.privateKey);
  const binding = { layer: 1, token: mintSecret('dt_'), owner, version: 2, flags: 0 } as const;
  const sealed = (by = signing, to: typeof binding = binding) =>
    sealApplicationLayer(
      to,
      {
        contentKey: randomBytes(32),
        receiver: parsePublicKey(pair.publicKey).raw,
        ephemeral: importX25519Private(randomBytes(32)),
        signing: by,
        salt: randomBytes(24),
      },
      Buffer.from('payload'),
    );

  test('opens for its token, owner, version and signer only', () => {
    const keys = { receiver, signer: ed25519Public(signing).toString('hex') };
    const envelope = sealed();
    expect(openApplicationLayer(binding, keys, envelope).toString()).toBe('payload');
    for (const wrong of [
      { token: mintSecret('dt_') },
      { owner: uuid7() },
      { version: 1 },
      { layer: 8 as const },
      { flags: 2 },
    ]) {
      expect(() => openApplicationLayer({ ...binding, ...wrong }, keys, envelope)).toThrow(SealError);
    }
    expect(() => openApplicationLayer(binding, keys, sealed(foreign))).toThrow(SealError);
    const other = sealed();
    const recombined = Buffer.concat([envelope.subarray(0, 194), other.subarray(194)]);
    expect(() => openApplicationLayer(binding, keys, recombined)).toThrow(SealError);
  });
});

test('a sealed stream opens with its key only, and to the end only', async () => {
  const [mine, other] = [generateKeyPair(), generateKeyPair()];
  const { raw } = parsePublicKey(mine.publicKey);
  const bytes = randomBytes(50_000);
  const sealed = await through(sealStreamTo(raw), bytes);
  const [key1, key2] = [importX25519Private(mine.privateKey), importX25519Private(other.privateKey)];
  expect((await through(openStreamFrom([key2, key1]), sealed, 777)).equals(bytes)).toBe(true);
  expect((await pass(openStreamFrom([key2]), sealed)).fault).toBeInstanceOf(SealError);
  for (const cut of [0, 79, 80, 135, 136, 30_000, sealed.length - 1]) {
    expect((await pass(openStreamFrom([key1]), sealed.subarray(0, cut))).fault).toBeInstanceOf(SealError);
  }
});

describe('W9: the sources', () => {
  const sources = (folder: string): string[] =>
    readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return sources(path);
      return entry.name.endsWith('.ts') && !entry.name.endsWith('.spec.ts') ? [path] : [];
    });
  const files = sources(join(__dirname, '../src')).map((path) => readFileSync(path, 'utf8'));
  const comparison = /([\w.#?()[\]]+)\s*[!=]==?\s*([\w.#?()[\]'-]+)/g;
  const secret =
    /(secret|password|passphrase|token|hmac|mac|tag|digest|hash|commitment|signature|sig|verifier|master|pepper|key|kek|salt|head|bytes)\b/i;
  /** Lengths, ids, names, absence and literals are no secrets. */
  const harmless = /\.(length|size|id|type|purpose)\b|\bnull\b|\bundefined\b|'[\w-]*'$|[lL]ength\b/;
  const suspects = (text: string) =>
    [...text.matchAll(comparison)].map(([pair]) => pair).filter((pair) => secret.test(pair) && !harmless.test(pair));

  test('compare no secret with ===', () => {
    expect(files.length).toBeGreaterThan(20);
    expect(files.flatMap(suspects)).toEqual([]);
    expect(suspects('if (given.password !== row.secret) return a.tag === b;')).toHaveLength(2);
  });

  test('know one mode of AES, and no weak randomness', () => {
    const text = files.join('\n').toLowerCase();
    expect([...new Set(text.match(/aes-\d+-\w+|chacha20\S*|des-\S*|rc4/g))]).toEqual(['aes-256-gcm']);
    expect(text).not.toMatch(/math\.random|\bmd5\b/);
  });
});
