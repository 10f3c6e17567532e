import { createCipheriv, createDecipheriv, createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, inflateSync } from 'node:zlib';
import { chunkNonce, cobblestone, sealedLength } from '@symbolon/contracts';
import { ChunkKey, open, openRange, seal } from '../src/seal/cobblestone';
import { CobblestoneOpener, CobblestoneSealer } from '../src/seal/chunk-stream';
import { hkdfExpand, hkdfExtract } from '../src/seal/hkdf';
import { decapsulate, encapsulate, labeledExpand, openMessage, sealMessageFrom, suiteId } from '../src/seal/hpke';
import { SealError } from '../src/seal/seal-error';
import {
  encodePublicKey,
  importX25519Private,
  KeyFormError,
  parsePublicKey,
  x25519,
  x25519Public,
} from '../src/seal/x25519';
import { verifyBytes } from '../src/sign/ed25519';
import { pass, through } from './collect';

type Result = 'valid' | 'invalid' | 'acceptable';
interface Wycheproof<G, T> {
  testGroups: Array<G & { tests: Array<T & { tcId: number; comment: string; result: Result; flags: string[] }> }>;
}

const bytes = (hex: string) => Buffer.from(hex, 'hex');
const file = (name: string) => readFileSync(join(__dirname, 'vectors', name));

function wycheproof<T, G = object>(name: string) {
  const { testGroups } = JSON.parse(file(name).toString()) as Wycheproof<G, T>;
  return testGroups.flatMap(({ tests, ...group }) => tests.map((test) => ({ ...group, ...test }))) as Array<
    G & T & { tcId: number; comment: string; result: Result; flags: string[] }
  >;
}

test('the vectors are those of their sources', () => {
  const stated = /^([0-9a-f]{64}) {2}(\S+)$/gm;
  const sums = [...file('README.md').toString().matchAll(stated)];
  expect(sums).toHaveLength(9);
  for (const [, sum, name] of sums)
    expect([
      name,
      createHash('sha256')
        .update(file(name ?? ''))
        .digest('hex'),
    ]).toEqual([name, sum]);
});

describe('Cobblestone-256 (C2SP/wycheproof)', () => {
  const cases = wycheproof<{ key: string; ctx: string; ct: string; msgLength?: number; msgSha512?: string }>(
    'c2sp_chunked_encryption_aes_256_gcm_test.json',
  ).map((test) => ({ ...test, key: bytes(test.key), ctx: bytes(test.ctx), message: inflateSync(bytes(test.ct)) }));
  const valid = cases.filter(({ result }) => result === 'valid');
  const invalid = cases.filter(({ result }) => result === 'invalid');
  const sha512 = (data: Uint8Array) => createHash('sha512').update(data).digest('hex');
  const source = (message: Buffer) => ({
    length: message.length,
    read: async (start: number, end: number) => message.subarray(start, end),
  });

  test('are all there', () => {
    expect([cases.length, valid.length, invalid.length]).toEqual([35, 10, 25]);
  });

  test.each(valid)('$tcId opens: $comment', async ({ key, ctx, message, msgLength, msgSha512 }) => {
    const stated = { length: msgLength, sha512: msgSha512 };
    const oneShot = open(key, ctx, message);
    expect({ length: oneShot.length, sha512: sha512(oneShot) }).toEqual(stated);
    for (const piece of [1 + (message.length % 1000), 16_400, 65_536]) {
      const streamed = await through(new CobblestoneOpener(key, ctx), message, piece);
      expect({ length: streamed.length, sha512: sha512(streamed) }).toEqual(stated);
    }
    const whole = await openRange(key, ctx, source(message), 0, oneShot.length);
    expect(sha512(whole)).toBe(msgSha512);
  });

  test.each(valid)('$tcId seals to the same bytes: $comment', async ({ key, ctx, message }) => {
    const plaintext = open(key, ctx, message);
    const salt = message.subarray(0, 24);
    expect(sealedLength(plaintext.length)).toBe(message.length);
    expect(seal(key, ctx, plaintext, salt).equals(message)).toBe(true);
    for (const piece of [1 + (plaintext.length % 1000), 16_384, 65_536]) {
      const sealed = await through(new CobblestoneSealer(key, ctx, { salt }), plaintext, piece);
      expect(sealed.equals(message)).toBe(true);
    }
  });

  test.each(valid)('$tcId gives any range: $comment', async ({ key, ctx, message }) => {
    const plaintext = open(key, ctx, message);
    const edges = [0, 1, 16_383, 16_384, 16_385, plaintext.length - 1, plaintext.length, plaintext.length + 9];
    for (const start of edges.filter((edge) => edge >= 0)) {
      for (const end of edges.filter((edge) => edge >= start)) {
        const range = await openRange(key, ctx, source(message), start, end);
        expect(range.equals(plaintext.subarray(start, end))).toBe(true);
      }
    }
  });

  test.each(invalid)('$tcId is refused: $comment', async ({ key, ctx, message, msgLength, msgSha512 }) => {
    expect(() => open(key, ctx, message)).toThrow(SealError);
    await expect(openRange(key, ctx, source(message), 0, message.length)).rejects.toThrow(SealError);
    for (const piece of [999, 16_400, 65_536]) {
      const { output, fault } = await pass(new CobblestoneOpener(key, ctx), message, piece);
      expect(fault).toBeInstanceOf(SealError);
      expect(output.length).toBeLessThanOrEqual(msgLength ?? 0);
      if (output.length === msgLength) expect(sha512(output)).toBe(msgSha512 ?? sha512(Buffer.alloc(0)));
      expect(output.length % cobblestone.chunk).toBe(0);
    }
  });

  test('a stream that has failed stays failed', async () => {
    const broken = invalid.find(({ flags }) => flags.includes('TrailingData'));
    if (!broken) throw new Error('no such case');
    const opener = new CobblestoneOpener(broken.key, broken.ctx);
    await pass(opener, broken.message);
    expect(opener.destroyed).toBe(true);
    expect(opener.writable).toBe(false);
  });
});

describe('X25519 (C2SP/wycheproof)', () => {
  const cases = wycheproof<{ public: string; private: string; shared: string }>('x25519_test.json');
  const low = cases.filter(({ flags }) => flags.includes('ZeroSharedSecret'));

  test('every agreed secret is the stated one, and none is zero', () => {
    expect([cases.length, low.length]).toEqual([518, 31]);
    let agreed = 0;
    for (const { tcId, result, flags, ...test } of cases) {
      const agree = () => x25519(importX25519Private(bytes(test.private)), bytes(test.public)).toString('hex');
      if (flags.includes('ZeroSharedSecret')) {
        expect(agree).toThrow();
        continue;
      }
      expect([tcId, agree()]).toEqual([tcId, test.shared]);
      if (result === 'valid') agreed++;
    }
    expect(agreed).toBe(cases.filter(({ result }) => result === 'valid').length);
  });

  test('points of low order are refused as registered key and as enc', () => {
    const receiver = importX25519Private('5d'.repeat(32));
    for (const test of low) {
      expect(() => parsePublicKey(encodePublicKey(bytes(test.public)))).toThrow(KeyFormError);
      expect(() => openMessage([receiver], 'x', Buffer.concat([bytes(test.public), Buffer.alloc(32)]))).toThrow(
        SealError,
      );
    }
  });
});

describe('Ed25519 (C2SP/wycheproof)', () => {
  const cases = wycheproof<{ msg: string; sig: string }, { publicKey: { pk: string } }>('ed25519_test.json');

  test('only what is valid verifies', () => {
    expect(cases).toHaveLength(151);
    for (const { tcId, publicKey, msg, sig, result } of cases) {
      expect([tcId, verifyBytes(publicKey.pk, bytes(msg), bytes(sig))]).toEqual([tcId, result === 'valid']);
    }
  });
});

describe('AES-GCM (C2SP/wycheproof)', () => {
  const cases = wycheproof<
    { key: string; iv: string; aad: string; msg: string; ct: string; tag: string },
    { ivSize: number; tagSize: number; keySize: number }
  >('aes_gcm_test.json');
  const ours = cases.filter(({ ivSize, tagSize }) => ivSize === 96 && tagSize === 128);

  test('the back end gives what is stated', () => {
    expect([cases.length, ours.length, ours.filter(({ keySize }) => keySize === 256).length]).toEqual([316, 197, 66]);
    for (const { tcId, keySize, key, iv, aad, msg, ct, tag, result } of ours) {
      const opened = () => {
        const decipher = createDecipheriv(`aes-${keySize as 128 | 192 | 256}-gcm`, bytes(key), bytes(iv), {
          authTagLength: 16,
        });
        decipher.setAAD(bytes(aad)).setAuthTag(bytes(tag));
        return Buffer.concat([decipher.update(bytes(ct)), decipher.final()]).toString('hex');
      };
      if (result === 'valid') expect([tcId, opened()]).toEqual([tcId, msg]);
      else expect(opened).toThrow();
    }
  });

  test('our chunks give what is stated', () => {
    const reachable = ours.filter(({ keySize, aad }) => keySize === 256 && aad === '');
    expect(reachable.length).toBeGreaterThan(30);
    for (const { tcId, key, iv, msg, ct, tag, result } of reachable) {
      const opened = () => new ChunkKey(bytes(key), bytes(iv)).open(0, bytes(ct + tag)).toString('hex');
      if (result !== 'valid') {
        expect(opened).toThrow();
        continue;
      }
      expect([tcId, opened()]).toEqual([tcId, msg]);
      const cipher = new ChunkKey(bytes(key), bytes(iv)).cipher(0);
      const sealed = Buffer.concat([cipher.update(bytes(msg)), cipher.final(), cipher.getAuthTag()]);
      expect([tcId, sealed.toString('hex')]).toEqual([tcId, ct + tag]);
    }
  });
});

describe.each(['sha256', 'sha512'] as const)('HKDF-%s (C2SP/wycheproof)', (hash) => {
  const cases = wycheproof<{ ikm: string; salt: string; info: string; size: number; okm: string }>(
    `hkdf_${hash}_test.json`,
  );

  test('gives what is stated', () => {
    expect(cases).toHaveLength(hash === 'sha256' ? 86 : 83);
    for (const { tcId, ikm, salt, info, size, okm, result } of cases) {
      const derive = () =>
        hkdfExpand(hash, hkdfExtract(hash, bytes(salt), bytes(ikm)), bytes(info), size).toString('hex');
      if (result === 'valid') expect([tcId, derive()]).toEqual([tcId, okm]);
      else expect(derive).toThrow(RangeError);
    }
    expect(cases.filter(({ result }) => result === 'invalid')).toHaveLength(3);
  });
});

describe('HPKE (RFC 9180)', () => {
  interface Case {
    mode: number;
    kem_id: number;
    kdf_id: number;
    aead_id: number;
    info: string;
    skRm: string;
    pkRm: string;
    skEm: string;
    enc: string;
    key: string;
    base_nonce: string;
    exporter_secret: string;
    encryptions: Array<{ aad: string; ct: string; nonce: string; pt: string }>;
    exports: Array<{ exporter_context: string; L: number; exported_value: string }>;
  }
  const all = JSON.parse(gunzipSync(file('vectors_rfc9180_5f503c5.json.gz')).toString()) as Case[];
  const suite = all.filter(({ kem_id, kdf_id, aead_id }) => kem_id === 32 && kdf_id === 1 && aead_id === 2);
  const base = suite.find(({ mode }) => mode === 0) as Case;

  test('has the suite in its four modes', () => {
    expect(all).toHaveLength(128);
    expect(suite.map(({ mode }) => mode).sort()).toEqual([0, 1, 2, 3]);
  });

  test('both sides derive the stated key, nonce and exporter', () => {
    const receiver = importX25519Private(base.skRm);
    expect(x25519Public(receiver).toString('hex')).toBe(base.pkRm);
    const sent = encapsulate(importX25519Private(base.skEm), bytes(base.pkRm), bytes(base.info));
    expect(sent.enc.toString('hex')).toBe(base.enc);
    for (const schedule of [sent.schedule, decapsulate(receiver, bytes(base.enc), bytes(base.info))]) {
      expect(schedule('key', 32).toString('hex')).toBe(base.key);
      expect(schedule('base_nonce', 12).toString('hex')).toBe(base.base_nonce);
      expect(schedule('exp', 32).toString('hex')).toBe(base.exporter_secret);
      for (const { exporter_context, L, exported_value } of base.exports) {
        const exported = labeledExpand(suiteId, schedule('exp', 32), 'sec', bytes(exporter_context), L);
        expect(exported.toString('hex')).toBe(exported_value);
      }
    }
  });

  test('encryptions in sequence open, the nonces being those of chunks', async () => {
    const { webcrypto } = await import('node:crypto');
    const key = await webcrypto.subtle.importKey('raw', bytes(base.key), 'AES-GCM', false, ['decrypt']);
    expect(base.encryptions.length).toBeGreaterThan(255);
    for (const [sequence, { aad, ct, nonce, pt }] of base.encryptions.entries()) {
      const iv = chunkNonce(bytes(base.base_nonce), sequence);
      expect(Buffer.from(iv).toString('hex')).toBe(nonce);
      const opened = await webcrypto.subtle.decrypt(
        { name: 'AES-GCM', iv, additionalData: bytes(aad) },
        key,
        bytes(ct),
      );
      expect(Buffer.from(opened).toString('hex')).toBe(pt);
    }
  });

  test('a message sealed with the given ephemeral key has the stated enc and ciphertext', () => {
    const [first] = base.encryptions;
    if (!first) throw new Error('no encryptions');
    const sealed = sealMessageFrom(importX25519Private(base.skEm), bytes(base.pkRm), bytes(base.info), bytes(first.pt));
    // The vector has associated data, which changes the tag alone.
    expect(sealed.subarray(0, -16).toString('hex')).toBe(base.enc + first.ct.slice(0, -32));
    expect(openMessage([importX25519Private(base.skRm)], bytes(base.info), sealed).toString('hex')).toBe(first.pt);
    const { schedule } = encapsulate(importX25519Private(base.skEm), bytes(base.pkRm), bytes(base.info));
    const cipher = createCipheriv('aes-256-gcm', schedule('key', 32), schedule('base_nonce', 12)).setAAD(
      bytes(first.aad),
    );
    const whole = Buffer.concat([cipher.update(bytes(first.pt)), cipher.final(), cipher.getAuthTag()]);
    expect(whole.toString('hex')).toBe(first.ct);
  });
});
