import { createHash } from 'node:crypto';
import { inflateSync } from 'node:zlib';
import { cobblestone as sizes } from '@symbolon/contracts';
import fc from 'fast-check';
import { open, openStream, seal, SealError, sealStream } from './cobblestone';
import { drained, hex, run, streamed, textBytes, vectorFile } from '../test/pieces';

const key = run(0, 31);
const context = textBytes('a context');

interface Vector {
  readonly tcId: number;
  readonly comment: string;
  readonly key: string;
  readonly ctx: string;
  readonly ct: string;
  readonly msgLength?: number;
  readonly msgSha512?: string;
  readonly result: 'valid' | 'invalid';
}

const vectors = (
  JSON.parse(vectorFile('c2sp_chunked_encryption_aes_256_gcm_test.json').toString()) as {
    testGroups: { tests: Vector[] }[];
  }
).testGroups.flatMap(({ tests }) => tests);

const sha512 = (bytes: Uint8Array): string => createHash('sha512').update(bytes).digest('hex');

describe('Cobblestone-256 against the vectors of Wycheproof', () => {
  it('has vectors of both kinds', () => {
    expect(vectors.map(({ result }) => result)).toEqual(expect.arrayContaining(['valid', 'invalid']));
  });

  it.each(vectors)('$tcId $comment: $result', async (vector) => {
    const sealed = new Uint8Array(inflateSync(hex(vector.ct)));
    const whole = await open(hex(vector.key), hex(vector.ctx), sealed).catch((error: unknown) => error);
    const stream = await drained(
      streamed(sealed, [1000, 77_777]).pipeThrough(openStream(hex(vector.key), hex(vector.ctx))),
    );

    if (vector.result === 'valid') {
      const plain = whole as Uint8Array;
      expect([plain.length, sha512(plain)]).toEqual([vector.msgLength, vector.msgSha512]);
      expect([stream.error, stream.bytes.equals(plain)]).toEqual([null, true]);
      const again = await seal(hex(vector.key), hex(vector.ctx), plain, sealed.slice(0, sizes.salt));
      expect(Buffer.from(again).equals(sealed)).toBe(true);
    } else {
      expect(whole).toBeInstanceOf(SealError);
      expect(stream.error).toBeInstanceOf(SealError);
      // What a stream may have released is a prefix of the valid part that the vector states.
      expect(stream.bytes.length).toBeLessThanOrEqual(vector.msgLength ?? 0);
    }
  });
});

describe('the stream', () => {
  it('carries any length in any cuts, and is the same message as the one-shot form', async () => {
    const lengths = fc.oneof(
      fc.nat(200_000),
      fc.constantFrom(0, 1, 16_383, 16_384, 16_385, 32_768, 16_384 * 16, 16_384 * 33 + 5),
    );
    const cuts = fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(lengths, cuts, cuts, async (length, sealCuts, openCuts) => {
        const plain = Uint8Array.from({ length }, (_, i) => (i * 31 + (i >>> 8)) % 256);
        const sealed = await drained(streamed(plain, sealCuts).pipeThrough(sealStream(key, context)));
        expect(Buffer.from(await open(key, context, sealed.bytes)).equals(plain)).toBe(true);
        const opened = await drained(streamed(sealed.bytes, openCuts).pipeThrough(openStream(key, context)));
        expect(opened.error).toBeNull();
        expect(opened.bytes.equals(plain)).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  it('does not depend on a buffer that its writer uses again', async () => {
    const sealing = sealStream(key, context);
    const reading = drained(sealing.readable);
    const writer = sealing.writable.getWriter();
    const buffer = new Uint8Array(40_000);
    for (let round = 1; round <= 5; round++) await writer.write(buffer.fill(round));
    await writer.close();
    const plain = await open(key, context, (await reading).bytes);
    expect(Buffer.from(plain).equals(Buffer.concat([1, 2, 3, 4, 5].map((round) => Buffer.alloc(40_000, round))))).toBe(
      true,
    );
  });
});

describe('a message that was tampered with', () => {
  const plain = Uint8Array.from({ length: 3 * sizes.chunk + 100 }, (_, i) => i % 251);
  const chunk = (sealed: Uint8Array, index: number): Uint8Array =>
    sealed.subarray(sizes.head + index * sizes.sealedChunk, sizes.head + (index + 1) * sizes.sealedChunk);
  const head = (sealed: Uint8Array): Uint8Array => sealed.subarray(0, sizes.head);
  const flipped = (sealed: Uint8Array, at: number, bit = 0): Uint8Array => {
    const copy = sealed.slice();
    copy[at]! ^= 1 << bit;
    return copy;
  };

  const attacks: Record<string, (sealed: Uint8Array) => Uint8Array> = {
    'cut to nothing': () => new Uint8Array(),
    'cut in the header': (s) => s.subarray(0, 40),
    'cut after the header': head,
    'cut at the first chunk boundary': (s) => s.subarray(0, sizes.head + sizes.sealedChunk),
    'cut at the last chunk boundary': (s) => s.subarray(0, sizes.head + 3 * sizes.sealedChunk),
    'cut inside a chunk': (s) => s.subarray(0, sizes.head + sizes.sealedChunk + 77),
    'cut inside the last tag': (s) => s.subarray(0, s.length - 1),
    'a byte appended': (s) => Buffer.concat([s, Buffer.alloc(1)]),
    'a chunk appended': (s) => Buffer.concat([s, chunk(s, 0)]),
    'a chunk dropped': (s) => Buffer.concat([head(s), chunk(s, 1), chunk(s, 2), chunk(s, 3)]),
    'a chunk repeated': (s) => Buffer.concat([head(s), chunk(s, 0), chunk(s, 0), chunk(s, 2), chunk(s, 3)]),
    'chunks in another order': (s) => Buffer.concat([head(s), chunk(s, 1), chunk(s, 0), chunk(s, 2), chunk(s, 3)]),
  };

  it.each(Object.entries(attacks))('%s: refused', async (_name, attack) => {
    const sealed = await seal(key, context, plain);
    const bad = attack(sealed);
    await expect(open(key, context, bad)).rejects.toThrow(SealError);
    const opened = await drained(streamed(bad, [5000]).pipeThrough(openStream(key, context)));
    expect(opened.error).toBeInstanceOf(SealError);
    expect(opened.bytes.equals(plain.subarray(0, opened.bytes.length))).toBe(true);
    expect(Buffer.from(await open(key, context, sealed)).equals(plain)).toBe(true);
  });

  it('each bit of header, first and last chunk counts', async () => {
    const short = await seal(key, context, plain.subarray(0, 40));
    for (let bit = 0; bit < short.length * 8; bit += 7) {
      await expect(open(key, context, flipped(short, Math.floor(bit / 8), bit % 8))).rejects.toThrow(
        'cannot be opened',
      );
    }
    const long = await seal(key, context, plain);
    for (const at of [sizes.head, sizes.head + 16_399, long.length - 101, long.length - 1]) {
      await expect(open(key, context, flipped(long, at))).rejects.toThrow('cannot be opened');
    }
  });

  it('another key, context or salt does not open it; a key of another length is refused', async () => {
    const sealed = await seal(key, context, plain);
    await expect(open(run(1, 32), context, sealed)).rejects.toThrow(SealError);
    await expect(open(key, textBytes('another context'), sealed)).rejects.toThrow(SealError);
    await expect(open(run(0, 15), context, sealed)).rejects.toThrow(SealError);
    await expect(seal(run(0, 15), context, plain)).rejects.toThrow(SealError);
  });

  it('a stream that failed stays failed', async () => {
    const sealed = await seal(key, context, plain);
    const opening = openStream(key, context);
    const reading = drained(opening.readable);
    const writer = opening.writable.getWriter();
    await expect(writer.write(flipped(sealed, sizes.head)).then(() => writer.close())).rejects.toThrow(SealError);
    await expect(writer.write(sealed)).rejects.toThrow(SealError);
    expect(await reading).toEqual({ bytes: Buffer.alloc(0), error: expect.any(SealError) as unknown });
  });
});
