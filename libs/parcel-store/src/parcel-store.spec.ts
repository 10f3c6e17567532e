import { mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { Unavailable } from '@symbolon/kernel';
import { FileParcelStore, MemoryParcelStore } from './index';
import { parcelStoreContract } from './parcel-store.contract';

const parcelId = '0193b4c6-1f2e-7a41-b7d5-2c9e4a6f8b10';

describe('parcel stores', () => {
  const folders: string[] = [];

  async function folder(): Promise<string> {
    const made = await mkdtemp(join(tmpdir(), 'parcels-'));
    folders.push(made);
    return made;
  }

  afterAll(async () => {
    for (const made of folders) await rm(made, { recursive: true, force: true });
  });

  parcelStoreContract('MemoryParcelStore', async () => new MemoryParcelStore());
  parcelStoreContract('FileParcelStore', async () => FileParcelStore.open(await folder()));

  test('files outlive the process, are for their owner alone and lie in folders by the end of their id', async () => {
    const at = await folder();
    const store = await FileParcelStore.open(at);
    await store.write(parcelId, Readable.from([Buffer.from('one')]));
    const { mode } = await stat(join(at, '10', parcelId));
    expect(mode & 0o777).toBe(0o600);
    expect(await (await FileParcelStore.open(at)).size(parcelId)).toBe(3);
  });

  test('a start throws away what cut-off writes have left, and no parcel', async () => {
    const at = await folder();
    await (await FileParcelStore.open(at)).write(parcelId, Readable.from([Buffer.from('one')]));
    await writeFile(join(at, 'incoming', `${parcelId}.1.1`), 'cut o');
    const again = await FileParcelStore.open(at);
    expect(await readdir(join(at, 'incoming'))).toEqual([]);
    expect(await again.size(parcelId)).toBe(3);
  });

  test('a sweep throws away old leftovers and leaves writes under way alone', async () => {
    const at = await folder();
    const store = await FileParcelStore.open(at);
    const [old, young] = [join(at, 'incoming', `${parcelId}.1.1`), join(at, 'incoming', `${parcelId}.1.2`)];
    await writeFile(old, 'cut o');
    await writeFile(young, 'under way');
    await utimes(old, 1, 1);
    await store.sweep(new Date(Date.now() - 3_600_000), async () => new Set());
    expect(await readdir(join(at, 'incoming'))).toEqual([`${parcelId}.1.2`]);
  });

  test('a broken write leaves no file behind', async () => {
    const at = await folder();
    const store = await FileParcelStore.open(at);
    const source = new Readable({ read() {} });
    const writing = store.write(parcelId, source);
    source.push(Buffer.alloc(300_000));
    source.destroy(new Error('gone'));
    await expect(writing).rejects.toThrow('gone');
    expect(await readdir(join(at, 'incoming'))).toEqual([]);
    expect(await readdir(join(at, '10'))).toEqual([]);
  });

  test('a store that cannot write is unavailable and lets go of the source', async () => {
    const at = await folder();
    const store = await FileParcelStore.open(at);
    await rm(at, { recursive: true });
    const source = Readable.from([Buffer.from('one')]);
    await expect(store.write(parcelId, source)).rejects.toMatchObject({
      name: 'Unavailable',
      dependency: 'parcel-store',
    });
    expect(source.destroyed).toBe(true);
  });

  test('a store that is gone does not say of its parcels that they are', async () => {
    const at = await folder();
    const store = await FileParcelStore.open(at);
    await store.write(parcelId, Readable.from([Buffer.from('one')]));
    await store.check();
    await rm(at, { recursive: true });
    const asked = [store.check(), store.read(parcelId), store.size(parcelId)];
    await Promise.all(asked.map((answer) => expect(answer).rejects.toThrow(Unavailable)));
  });

  test('a store that cannot finish a write is unavailable', async () => {
    const at = await folder();
    const store = await FileParcelStore.open(at);
    await rm(join(at, '10'), { recursive: true });
    await expect(store.write(parcelId, Readable.from([Buffer.from('one')]))).rejects.toThrow(Unavailable);
    expect(await readdir(join(at, 'incoming'))).toEqual([]);
  });

  test('a folder that cannot be made is a store that is unavailable', async () => {
    const file = join(await folder(), 'file');
    await writeFile(file, '');
    await expect(FileParcelStore.open(file)).rejects.toThrow(Unavailable);
  });

  test('takes bytes no faster than it writes them', async () => {
    const store = await FileParcelStore.open(await folder());
    const chunk = Buffer.alloc(65_536);
    let given = 0;
    let most = 0;
    const before = process.memoryUsage().arrayBuffers;
    async function* endless() {
      for (; given < 1024; given++) {
        most = Math.max(most, process.memoryUsage().arrayBuffers - before);
        yield Buffer.from(chunk);
      }
    }
    expect(await store.write(parcelId, endless())).toEqual({ size: 1024 * 65_536 });
    expect(most).toBeLessThan(48 * 1024 * 1024);
  });
});
