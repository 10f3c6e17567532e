import { randomBytes } from 'node:crypto';
import type { Transform } from 'node:stream';
import fc from 'fast-check';
import { sealedLength } from '@symbolon/contracts';
import { through } from '../../test/collect';
import { generateKeyPair, importX25519Private, parsePublicKey } from './x25519';
import { CobblestoneOpener, CobblestoneSealer } from './chunk-stream';
import { open, seal } from './cobblestone';
import { Sha256Meter, sha256Hex } from './digest';
import { layer2Length, layer3Length, openLayer2, openLayer3, sealLayer2, sealLayer3 } from './layers';
import { openStreamFrom, sealedStreamLength, sealStreamTo } from './sealed-stream';

const key = randomBytes(32);
const context = Buffer.from('context');
const pair = generateKeyPair();
const receiver = parsePublicKey(pair.publicKey).raw;
const id = '01937b49-0c11-7f3e-8d02-5a6b7c8d9e0f';
const place = { tokenId: id, parcelId: id, owner: id };
const object = { objectId: 'e727d72273d3cc6f9f39dc5589beadf3', deviceIdentifier: id, version: 1 };
const kid = randomBytes(16);

const stages: Array<[string, () => Transform, () => Transform, (length: number) => number]> = [
  ['a body', () => new CobblestoneSealer(key, context), () => new CobblestoneOpener(key, context), sealedLength],
  ['layer 2', () => sealLayer2(key, place), () => openLayer2(key, place), layer2Length],
  ['layer 3', () => sealLayer3(key, kid, object), () => openLayer3(key, kid, object), layer3Length],
  [
    'a sealed stream',
    () => sealStreamTo(receiver),
    () => openStreamFrom([importX25519Private(pair.privateKey)]),
    sealedStreamLength,
  ],
];

test.each(stages)('%s goes through in any pieces, with the stated length', async (_, sealer, opener, lengthOf) => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(fc.integer({ min: 0, max: 100_000 }), fc.constantFrom(0, 1, 16_383, 16_384, 16_385, 32_768, 65_536)),
      fc.integer({ min: 500, max: 70_000 }),
      fc.integer({ min: 500, max: 70_000 }),
      async (size, writes, reads) => {
        const bytes = randomBytes(size);
        const sealed = await through(sealer(), bytes, writes);
        expect(sealed).toHaveLength(lengthOf(size));
        expect((await through(opener(), sealed, reads)).equals(bytes)).toBe(true);
      },
    ),
    { numRuns: 40 },
  );
});

test.each(stages)('%s goes through byte by byte', async (_, sealer, opener) => {
  const bytes = randomBytes(300);
  expect((await through(opener(), await through(sealer(), bytes, 1), 1)).equals(bytes)).toBe(true);
});

test('one-shot and stream give the same bytes', async () => {
  const [bytes, salt] = [randomBytes(70_000), randomBytes(24)];
  const whole = seal(key, context, bytes, salt);
  expect((await through(new CobblestoneSealer(key, context, { salt }), bytes, 12_345)).equals(whole)).toBe(true);
  expect((await through(new CobblestoneOpener(key, context), whole, 12_345)).equals(open(key, context, whole))).toBe(
    true,
  );
});

test.each(stages)('%s holds its source back while nobody reads', async (_, sealer, opener) => {
  const sealed = await through(sealer(), Buffer.alloc(4_000_000));
  for (const [stage, bytes] of [
    [sealer(), Buffer.alloc(4_000_000)],
    [opener(), sealed],
  ] as const) {
    let taken = 0;
    while (taken < bytes.length && stage.write(bytes.subarray(taken, taken + 16_000))) taken += 16_000;
    expect(taken).toBeLessThan(400_000);
    stage.destroy();
  }
});

test('nothing that was not sealed comes out of an opener that is destroyed early', async () => {
  const opener = new CobblestoneOpener(key, context);
  const sealed = seal(key, context, randomBytes(20_000));
  opener.write(sealed.subarray(0, 10_000));
  opener.destroy();
  expect(opener.read()).toBeNull();
});

test('the meter counts and digests what passes, and changes nothing', async () => {
  for (const size of [0, 1, 100_000]) {
    const [meter, bytes] = [new Sha256Meter(), randomBytes(size)];
    expect((await through(meter, bytes, 7_000)).equals(bytes)).toBe(true);
    expect([meter.size, meter.hex(), meter.hex()]).toEqual([size, sha256Hex(bytes), sha256Hex(bytes)]);
  }
});

test('a key or salt of another length is refused when sealing', () => {
  expect(() => seal(randomBytes(31), context, context)).toThrow(RangeError);
  expect(() => seal(key, context, context, randomBytes(23))).toThrow(RangeError);
  expect(() => new CobblestoneSealer(randomBytes(33), context)).toThrow(RangeError);
});
