import {
  access,
  constants,
  type FileHandle,
  mkdir,
  open,
  opendir,
  rename,
  stat,
  statfs,
  unlink,
} from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { Unavailable } from '@symbolon/kernel';
import { inParts } from './in-parts';
import { checkParcelId, isParcelId, type ParcelBytes, ParcelStore, sweepBatch } from './parcel-store';

const incoming = 'incoming';
const shards = Array.from({ length: 256 }, (_, index) => index.toString(16).padStart(2, '0'));
const stride = 256 * 1024;
/** Bytes after which the system is told to begin writing to the disk, so that the last sync has little left to do. */
const flushEvery = 64 * 1024 * 1024;

/**
 * One file per parcel, in 256 folders by the end of its id. A parcel is written to `incoming`, synced, renamed to its
 * place, and the folder is synced: after a crash at any point it is there whole or not at all.
 * The folder belongs to one process at a time.
 */
export class FileParcelStore extends ParcelStore {
  private writes = 0;

  /** Makes the folder where it is missing, and throws away what writes that a crash cut off have left. */
  static async open(folder: string): Promise<FileParcelStore> {
    const store = new FileParcelStore(folder);
    await available(async () => {
      for (const name of [incoming, ...shards]) await mkdir(join(folder, name), { recursive: true, mode: 0o700 });
      await syncFolder(folder);
    });
    await store.sweepIncoming(Infinity);
    return store;
  }

  private constructor(private readonly folder: string) {
    super();
  }

  override async check(): Promise<void> {
    try {
      await access(join(this.folder, incoming), constants.W_OK);
      if ((await statfs(this.folder)).bavail === 0) throw new Error('the disk is full');
    } catch (error) {
      throw unavailable(error);
    }
  }

  override async write(parcelId: string, bytes: ParcelBytes): Promise<{ size: number }> {
    checkParcelId(parcelId);
    const draft = join(this.folder, incoming, `${parcelId}.${process.pid}.${++this.writes}`);
    const source = { error: null as unknown, broken: false };
    const watched = async function* () {
      try {
        yield* bytes;
      } catch (error) {
        Object.assign(source, { error, broken: true });
        throw error;
      }
    };
    // A source may break before it is read; reading it then says so.
    if (bytes instanceof Readable) bytes.on('error', () => undefined);
    try {
      const handle = await open(draft, 'wx', 0o600);
      let size: number;
      try {
        size = await writeBehind(handle, inParts(watched(), stride));
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(draft, this.place(parcelId));
      await syncFolder(this.shard(parcelId));
      return { size };
    } catch (error) {
      // A stream that was never read is not ended by the pipeline, and whatever feeds it would wait for ever.
      if (bytes instanceof Readable) bytes.destroy();
      await unlink(draft).catch(() => undefined);
      throw source.broken ? source.error : unavailable(error);
    }
  }

  override async read(parcelId: string): Promise<Readable | null> {
    checkParcelId(parcelId);
    return this.known(async () => new ParcelStream(await open(this.place(parcelId), 'r')));
  }

  override async size(parcelId: string): Promise<number | null> {
    checkParcelId(parcelId);
    return this.known(async () => (await stat(this.place(parcelId))).size);
  }

  override async delete(parcelId: string): Promise<void> {
    checkParcelId(parcelId);
    await available(() => unlink(this.place(parcelId)));
  }

  override async sweep(olderThan: Date, keep: (parcelIds: string[]) => Promise<Set<string>>): Promise<number> {
    await this.sweepIncoming(olderThan.getTime());
    let removed = 0;
    const removeUnkept = async (parcelIds: string[]) => {
      if (parcelIds.length === 0) return;
      const kept = await keep(parcelIds);
      for (const parcelId of parcelIds.filter((id) => !kept.has(id))) {
        await this.delete(parcelId);
        removed++;
      }
    };
    let batch: string[] = [];
    for (const shard of shards) {
      for await (const name of filesBefore(join(this.folder, shard), olderThan.getTime())) {
        if (!isParcelId(name)) continue;
        batch.push(name);
        if (batch.length < sweepBatch) continue;
        await removeUnkept(batch);
        batch = [];
      }
    }
    await removeUnkept(batch);
    return removed;
  }

  private async sweepIncoming(before: number): Promise<void> {
    const folder = join(this.folder, incoming);
    for await (const name of filesBefore(folder, before)) await available(() => unlink(join(folder, name)));
  }

  /** A missing parcel is one thing, a missing store another. */
  private async known<T>(work: () => Promise<T>): Promise<T | null> {
    const found = await available(work);
    if (found === null) await this.check();
    return found;
  }

  private shard(parcelId: string): string {
    return join(this.folder, parcelId.slice(-2));
  }

  private place(parcelId: string): string {
    return join(this.shard(parcelId), parcelId);
  }
}

/** Reads a file by and by; closes it at its end and when destroyed, also when nobody ever read. */
class ParcelStream extends Readable {
  constructor(private readonly handle: FileHandle) {
    super({ highWaterMark: stride });
  }

  override _read(): void {
    this.handle.read(Buffer.allocUnsafe(stride), 0, stride).then(
      ({ bytesRead, buffer }) => this.push(bytesRead === 0 ? null : buffer.subarray(0, bytesRead)),
      (error: unknown) => this.destroy(unavailable(error)),
    );
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.handle.close().then(
      () => done(error),
      () => done(error),
    );
  }
}

/** Writes one part while the next is gathered, and has the system bring to the disk what it has meanwhile. */
async function writeBehind(handle: FileHandle, parts: AsyncIterable<Buffer>): Promise<number> {
  let size = 0;
  let flushed = 0;
  let writing = Promise.resolve();
  let flushing = Promise.resolve();
  try {
    for await (const part of parts) {
      await writing;
      writing = handle.writeFile(part);
      writing.catch(() => undefined);
      size += part.length;
      if (size - flushed < flushEvery) continue;
      // The system tells of a failure once: it must not be missed.
      await flushing;
      flushed = size;
      flushing = handle.datasync();
      flushing.catch(() => undefined);
    }
    await writing;
    await flushing;
    return size;
  } finally {
    // The file must not be closed under a write.
    await Promise.allSettled([writing, flushing]);
  }
}

async function* filesBefore(folder: string, before: number): AsyncGenerator<string> {
  const entries = await available(() => opendir(folder));
  for await (const entry of entries ?? []) {
    const found = entry.isFile() ? await available(() => stat(join(folder, entry.name))) : null;
    if (found && found.mtimeMs < before) yield entry.name;
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Null where the file does not exist; `Unavailable` for every other trouble. */
async function available<T>(work: () => Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw unavailable(error);
  }
}

function unavailable(cause: unknown): Unavailable {
  return new Unavailable('parcel-store', { cause });
}
