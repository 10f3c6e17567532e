import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { ParcelStore } from './parcel-store';

const ids = [0, 1, 2, 3].map((index) => `0193b4c6-1f2e-7a41-b7d5-2c9e4a6f8b1${index}`);
const [first, second, third] = ids as [string, string, string, string];
const nobody = async () => new Set<string>();
const tomorrow = () => new Date(Date.now() + 86_400_000);

/** What every parcel store must do. `make` gives an empty one. */
export function parcelStoreContract(name: string, make: () => Promise<ParcelStore>): void {
  describe(`${name} as a parcel store`, () => {
    let store: ParcelStore;
    beforeEach(async () => {
      store = await make();
    });

    async function bytesOf(parcelId: string): Promise<Buffer | null> {
      const stream = await store.read(parcelId);
      return stream && (await buffer(stream));
    }

    test.each([0, 1, 65_536, 65_537, 3 * 1024 * 1024 + 7])('gives back %i bytes as they were', async (length) => {
      const bytes = Buffer.alloc(length, 'a parcel in transit ');
      expect(await store.write(first, Readable.from(parts(bytes), { objectMode: false }))).toEqual({ size: length });
      expect(await store.size(first)).toBe(length);
      expect((await bytesOf(first))?.equals(bytes)).toBe(true);
      expect((await bytesOf(first))?.equals(bytes)).toBe(true);
    });

    test('says that it can be used', async () => {
      await expect(store.check()).resolves.toBeUndefined();
    });

    test('does not know a parcel that was never written', async () => {
      expect(await store.read(first)).toBeNull();
      expect(await store.size(first)).toBeNull();
      await store.delete(first);
    });

    test('forgets a parcel that was deleted', async () => {
      await store.write(first, parts(Buffer.from('one')));
      await store.delete(first);
      expect(await store.read(first)).toBeNull();
      expect(await store.size(first)).toBeNull();
    });

    test('replaces a parcel whole, and does not disturb who reads the former one', async () => {
      await store.write(first, parts(Buffer.from('former')));
      const reading = await store.read(first);
      await store.write(first, parts(Buffer.from('new')));
      expect((await buffer(reading ?? Readable.from([]))).toString()).toBe('former');
      expect((await bytesOf(first))?.toString()).toBe('new');
    });

    test('keeps nothing of a write whose source broke, and passes the error on', async () => {
      const broken = new Error('the client went away');
      await expect(store.write(first, breaking(broken))).rejects.toBe(broken);
      expect(await store.read(first)).toBeNull();
      await store.write(second, parts(Buffer.from('former')));
      await expect(store.write(second, breaking(broken))).rejects.toBe(broken);
      expect((await bytesOf(second))?.toString()).toBe('former');
    });

    test('serves writers of different parcels and of one parcel at once', async () => {
      const written = Array.from({ length: 12 }, (_, index) => Buffer.alloc(70_000, String.fromCharCode(97 + index)));
      await Promise.all(written.map((bytes, index) => store.write(ids[index % 3] as string, parts(bytes))));
      for (const [index, parcelId] of [first, second, third].entries()) {
        const found = await bytesOf(parcelId);
        expect(written.filter((bytes, at) => at % 3 === index && found?.equals(bytes))).toHaveLength(1);
      }
    });

    test('lets go of a stream that nobody reads', async () => {
      await store.write(first, parts(Buffer.from('one')));
      const stream = await store.read(first);
      const closed = new Promise((resolve) => stream?.once('close', resolve));
      stream?.destroy();
      await closed;
      expect(stream?.destroyed).toBe(true);
    });

    test('sweeps what is old and kept by nobody', async () => {
      await store.write(first, parts(Buffer.from('one')));
      await store.write(second, parts(Buffer.from('two')));
      const asked: string[] = [];
      const keepFirst = async (parcelIds: string[]) => {
        asked.push(...parcelIds);
        return new Set([first]);
      };
      expect(await store.sweep(tomorrow(), keepFirst)).toBe(1);
      expect(asked.sort()).toEqual([first, second]);
      expect(await store.size(first)).toBe(3);
      expect(await store.size(second)).toBeNull();
    });

    test('does not ask about what is young', async () => {
      await store.write(first, parts(Buffer.from('one')));
      expect(await store.sweep(new Date(Date.now() - 86_400_000), nobody)).toBe(0);
      expect(await store.size(first)).toBe(3);
    });

    test.each(['', '../../etc/passwd', '0193B4C6-1F2E-7A41-B7D5-2C9E4A6F8B10', `${first}/..`])(
      'takes no id but a lower-case UUID: %p',
      async (parcelId) => {
        await expect(store.write(parcelId, parts(Buffer.from('one')))).rejects.toThrow('lower-case UUID');
        await expect(store.read(parcelId)).rejects.toThrow('lower-case UUID');
        await expect(store.delete(parcelId)).rejects.toThrow('lower-case UUID');
      },
    );
  });
}

async function* parts(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let from = 0; from < bytes.length; from += 50_000) yield bytes.subarray(from, from + 50_000);
}

async function* breaking(error: Error): AsyncGenerator<Buffer> {
  yield Buffer.alloc(100_000);
  throw error;
}
