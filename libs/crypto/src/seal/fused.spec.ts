import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable, type Transform } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { pathToFileURL } from 'node:url';
import { pass, through } from '../../test/collect';
import { CobblestoneOpener, CobblestoneSealer } from './chunk-stream';
import { open, seal } from './cobblestone';
import { Sha256Meter, sha256Hex } from './digest';
import { fused } from './fused';
import { SealError } from './seal-error';
import { useSealingThreads } from './sealing-threads';

const key = randomBytes(32);
const other = randomBytes(32);
const context = Buffer.from('context');
const root = join(__dirname, '../../../..');
const folder = mkdtempSync(join(tmpdir(), 'symbolon-threads-'));
const program = join(folder, 'sealing-thread.cjs');

beforeAll(() => {
  const source = join(__dirname, 'sealing-thread.ts');
  const build = `import { bundle } from ${JSON.stringify(pathToFileURL(join(root, 'tools/build.mjs')).href)};
    await bundle(${JSON.stringify(source)}, ${JSON.stringify(program)});`;
  execFileSync(process.execPath, ['--input-type=module', '-e', build]);
});
afterAll(() => rmSync(folder, { recursive: true }));

// What is short is done by the caller; what nobody knows the length of goes to a thread, once there are threads.
describe.each([
  ['in its own thread', 0],
  ['in another thread', null],
])('%s', (_, length) => {
  beforeAll(() => useSealingThreads(program));

  const message = (size: number) => {
    const bytes = randomBytes(size);
    return { bytes, sealed: seal(key, context, bytes) };
  };

  test.each([0, 1, 16_383, 16_384, 16_385, 65_536, 3_000_000])(
    '%i bytes are sealed, digested and opened',
    async (size) => {
      const { bytes } = message(size);
      for (const piece of [70_000, 12_345]) {
        const meter = new Sha256Meter();
        const sealed = await through(fused(length, [new CobblestoneSealer(key, context), meter]), bytes, piece);
        expect(open(key, context, sealed).equals(bytes)).toBe(true);
        expect([meter.size, meter.hex()]).toEqual([sealed.length, sha256Hex(sealed)]);
        const opened = await through(fused(length, [new CobblestoneOpener(key, context)]), sealed, piece);
        expect(opened.equals(bytes)).toBe(true);
      }
    },
  );

  test('one key takes the place of another, and what passes between is digested', async () => {
    for (const size of [0, 16_384, 300_000]) {
      const { bytes, sealed } = message(size);
      const meter = new Sha256Meter();
      const stages = [new CobblestoneOpener(key, context), meter, new CobblestoneSealer(other, context)];
      const again = await through(fused(length, stages), sealed, 50_000);
      expect(open(other, context, again).equals(bytes)).toBe(true);
      expect([meter.size, meter.hex()]).toEqual([size, sha256Hex(bytes)]);
    }
  });

  test('goes through byte by byte', async () => {
    const { bytes, sealed } = message(200);
    expect((await through(fused(length, [new CobblestoneOpener(key, context)]), sealed, 1)).equals(bytes)).toBe(true);
  });

  test('damage, a missing end and another key end it with a SealError, of which its opener hears', async () => {
    const { bytes, sealed } = message(200_000);
    const flipped = Buffer.from(sealed);
    flipped[100_000]! ^= 1;
    for (const [damaged, by] of [
      [flipped, key],
      [sealed.subarray(0, 56 + 2 * 16_400), key],
      [sealed.subarray(0, 40), key],
      [sealed.subarray(0, 0), key],
      [Buffer.concat([sealed, Buffer.alloc(1)]), key],
      [sealed, other],
    ] as const) {
      const opener = new CobblestoneOpener(by, context);
      const heard = once(opener, 'error');
      const { output, fault } = await pass(fused(length, [opener, new Sha256Meter()]), damaged, 30_000);
      expect(fault).toBeInstanceOf(SealError);
      expect(output.length % 16_384).toBe(0);
      expect(output.equals(bytes.subarray(0, output.length))).toBe(true);
      // `once` gives an error that is waited for as what it resolves with.
      expect(await heard).toEqual([expect.any(SealError)]);
    }
  });

  test('what breaks before it or behind it ends all of it, and others go on', async () => {
    const { bytes, sealed } = message(1_000_000);
    const broken = new Error('broken off');
    const source = Readable.from(
      (function* () {
        yield sealed.subarray(0, 500_000);
        throw broken;
      })(),
      { objectMode: false },
    );
    const stages: Transform[] = [new CobblestoneOpener(key, context), new CobblestoneSealer(other, context)];
    const beside = through(fused(length, [new CobblestoneOpener(key, context)]), sealed);
    await expect(pipeline(source, fused(length, stages), new PassThrough().resume())).rejects.toBe(broken);
    expect(stages.map(({ destroyed }) => destroyed)).toEqual([true, true]);
    const sink = new PassThrough();
    const left = pipeline(Readable.from([bytes]), fused(length, [new CobblestoneSealer(key, context)]), sink);
    sink.once('data', () => sink.destroy(broken));
    await expect(left).rejects.toBe(broken);
    expect((await beside).equals(bytes)).toBe(true);
  });

  test('holds its source back while nobody reads', async () => {
    const stage = fused(length, [new CobblestoneSealer(key, context)]);
    const { bytes } = message(16_000);
    let taken = 0;
    const source = new Readable({
      read() {
        taken += bytes.length;
        this.push(bytes);
      },
    });
    const ended = pipeline(source, stage, async (sealed) => {
      for await (const first of sealed as AsyncIterable<Buffer>) {
        expect(first.length).toBeGreaterThan(0);
        // The same thread has done all this by the time that others have passed.
        for (let round = 0; round < 5; round++) {
          await through(fused(length, [new CobblestoneSealer(key, context)]), Buffer.alloc(1_000_000));
        }
        return;
      }
    });
    await ended.catch(() => undefined);
    expect(taken).toBeLessThan(2_000_000);
  });

  test('many at once', async () => {
    const all = Array.from({ length: 10 }, () => message(400_000));
    const opened = await Promise.all(
      all.map(({ sealed }) => through(fused(length, [new CobblestoneOpener(key, context)]), sealed)),
    );
    expect(opened.every((one, index) => one.equals(all[index]!.bytes))).toBe(true);
  });
});

test('only the first of its stages can open, and nothing else is a stage', () => {
  const [sealer, opener] = [new CobblestoneSealer(key, context), new CobblestoneOpener(key, context)];
  expect(() => fused(0, [sealer, opener])).toThrow(TypeError);
  expect(() => fused(0, [new PassThrough()])).toThrow(TypeError);
});

test('a thread that cannot start fails what it was to do', async () => {
  expect(() => useSealingThreads(join(folder, 'nothing.cjs'))).toThrow('is missing');
  const broken = join(folder, 'broken.cjs');
  writeFileSync(broken, "throw new Error('broken program');");
  useSealingThreads(broken);
  const stage = fused(null, [new CobblestoneSealer(key, context)]);
  stage.end(randomBytes(100));
  await expect(buffer(stage)).rejects.toThrow('broken program');
});
