import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable, Transform } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { plainLength, sealedLength } from '@symbolon/contracts';
import { blobName, layer3Length, openLayer3, SealError, sealLayer3, uuid7 } from '@symbolon/crypto';
import { Batched, isMissing, syncDirectory } from './durable';
import type { DeviceKeys } from './home';

const header = layer3Length(0) - sealedLength(0);
/** Bytes that are written at once. */
const pieceLength = 256 * 1024;
/** Bytes after which the system is told to begin writing to the disk, so that the last sync has little left to do. */
const flushEvery = 64 * 1024 * 1024;
const shards = Array.from({ length: 256 }, (_, number) => number.toString(16).padStart(2, '0'));

/** The disk did not take it; `cause` says why. */
export class NotWritten extends Error {
  constructor(cause: unknown) {
    super('the disk did not take it', { cause });
    this.name = 'NotWritten';
  }
}

/** A blob in the making: what goes into `sealer` comes out sealed and is to be given to `fill`. */
export interface Draft {
  readonly sealer: Transform;
  /** Writes the file. Not durable yet. Throws `NotWritten`; what the source throws passes through. */
  fill(sealed: AsyncIterable<Uint8Array>): Promise<void>;
  /** Puts the blob in its place. Durable when resolved. Throws `NotWritten`. */
  commit(): Promise<void>;
  /** Leaves nothing. To be called when `commit` was not, or failed. */
  discard(): Promise<void>;
}

/**
 * The sealed blobs on disk: one SYM1 envelope of layer 3 per object and version (crypto.md, section 6), in a file that
 * is named by an HMAC and lies in the folder of the name's first two digits. A blob is there as a whole or not at all.
 */
export class BlobStore {
  private readonly directories = new Map<string, Batched>();

  constructor(
    private readonly dir: string,
    private readonly draftDir: string,
    private readonly keys: Pick<DeviceKeys, 'master' | 'naming'>,
    private readonly deviceIdentifier: string,
  ) {}

  /** Makes the folders and sweeps the drafts that a crash left. */
  async open(): Promise<void> {
    await rm(this.draftDir, { recursive: true, force: true });
    await mkdir(this.draftDir, { recursive: true, mode: 0o700 });
    await mkdir(this.dir, { recursive: true, mode: 0o700 });
    const present = new Set(await readdir(this.dir));
    const missing = shards.filter((shard) => !present.has(shard));
    for (const shard of missing) await mkdir(join(this.dir, shard), { mode: 0o700 });
    if (missing.length > 0) await syncDirectory(this.dir);
  }

  /** The file name of a blob: 64 hex digits. */
  nameOf(objectId: string, version: number): string {
    return blobName(this.keys.naming, objectId, version);
  }

  /** Names of all blobs, folder by folder. */
  async *names(): AsyncIterable<readonly string[]> {
    for (const shard of shards) yield await readdir(join(this.dir, shard));
  }

  async isEmpty(): Promise<boolean> {
    for await (const names of this.names()) if (names.length > 0) return false;
    return true;
  }

  /** Seals and stores a payload that is at hand. Durable when resolved. Throws `NotWritten` and leaves nothing. */
  async put(objectId: string, version: number, payload: Uint8Array): Promise<void> {
    const draft = await this.draft(objectId, version);
    try {
      draft.sealer.end(payload);
      await draft.fill(draft.sealer as AsyncIterable<Uint8Array>);
      await draft.commit();
    } catch (error) {
      await draft.discard();
      throw error;
    }
  }

  /** Begins a blob of any size. Throws `NotWritten`. */
  async draft(objectId: string, version: number): Promise<Draft> {
    const path = join(this.draftDir, uuid7());
    const handle = await open(path, 'wx', 0o600).catch(notWritten);
    return {
      sealer: sealLayer3(this.keys.master.key, this.keys.master.kid, this.binding(objectId, version)),
      fill: (sealed) => writeBehind(handle, sealed),
      commit: async () => {
        try {
          await handle.sync();
          await handle.close();
          await this.place(path, this.nameOf(objectId, version));
        } catch (error) {
          notWritten(error);
        }
      },
      discard: async () => {
        await handle.close().catch(() => undefined);
        await rm(path, { force: true }).catch(() => undefined);
      },
    };
  }

  /** Length of the payload, or null if there is no such blob. Throws `SealError` for a length that no blob has. */
  async sizeOf(objectId: string, version: number): Promise<number | null> {
    const found = await stat(this.pathOf(objectId, version)).catch(nullIfMissing);
    if (!found) return null;
    const size = plainLength(found.size - header);
    if (size === null) throw new SealError();
    return size;
  }

  /** The payload of a small blob, or null if there is none. Throws `SealError` if it is damaged or not its own. */
  async get(objectId: string, version: number): Promise<Buffer | null> {
    const content = await readFile(this.pathOf(objectId, version)).catch(nullIfMissing);
    if (!content) return null;
    const opener = this.opener(objectId, version);
    opener.end(content);
    return buffer(opener);
  }

  /** The payload of a blob of any size: its sealed bytes and what opens them; null if there is none. */
  async stream(objectId: string, version: number): Promise<{ sealed: Readable; opener: Transform } | null> {
    const handle = await open(this.pathOf(objectId, version), 'r').catch(nullIfMissing);
    if (!handle) return null;
    return {
      sealed: createReadStream('', { fd: handle, highWaterMark: 256 * 1024 }),
      opener: this.opener(objectId, version),
    };
  }

  /** Removes these versions, those that are there. Durable when resolved. */
  async remove(objectId: string, versions: readonly number[]): Promise<void> {
    const touched = new Set<string>();
    for (const version of versions) {
      const name = this.nameOf(objectId, version);
      await rm(join(this.dir, shardOf(name), name), { force: true });
      touched.add(shardOf(name));
    }
    await Promise.all([...touched].map((shard) => this.sync(shard)));
  }

  /** Removes a blob by its name if it was put there before that time (milliseconds since 1970). */
  async removeOlder(name: string, before: number): Promise<boolean> {
    const path = join(this.dir, shardOf(name), name);
    const found = await stat(path).catch(nullIfMissing);
    if (!found || found.mtimeMs >= before) return false;
    await rm(path, { force: true });
    return true;
  }

  private opener(objectId: string, version: number): Transform {
    return openLayer3(this.keys.master.key, this.keys.master.kid, this.binding(objectId, version));
  }

  private binding(objectId: string, version: number) {
    return { objectId, version, deviceIdentifier: this.deviceIdentifier };
  }

  private pathOf(objectId: string, version: number): string {
    const name = this.nameOf(objectId, version);
    return join(this.dir, shardOf(name), name);
  }

  private async place(draft: string, name: string): Promise<void> {
    await rename(draft, join(this.dir, shardOf(name), name));
    await this.sync(shardOf(name));
  }

  private sync(shard: string): Promise<void> {
    let batched = this.directories.get(shard);
    if (!batched) this.directories.set(shard, (batched = new Batched(() => syncDirectory(join(this.dir, shard)))));
    return batched.run();
  }
}

/** Writes in large pieces, one on its way to the disk while the next is gathered, so that nothing waits for the other. */
async function writeBehind(handle: FileHandle, source: AsyncIterable<Uint8Array>): Promise<void> {
  let gathered: Uint8Array[] = [];
  let size = 0;
  let sinceFlush = 0;
  let writing: Promise<void> = Promise.resolve();
  let flushing: Promise<void> = Promise.resolve();
  const write = async (pieces: Uint8Array[], length: number): Promise<void> => {
    // A short write tells that the disk is full; the rest then fails with the reason.
    const { bytesWritten } = await handle.writev(pieces).catch(notWritten);
    if (bytesWritten < length) await handle.writeFile(Buffer.concat(pieces).subarray(bytesWritten)).catch(notWritten);
  };
  const passOn = async (): Promise<void> => {
    const pieces = gathered;
    const length = size;
    gathered = [];
    size = 0;
    await writing;
    sinceFlush += length;
    writing = write(pieces, length);
    writing.catch(() => undefined);
    if (sinceFlush < flushEvery) return;
    await flushing;
    sinceFlush = 0;
    flushing = handle.datasync().catch(notWritten);
    flushing.catch(() => undefined);
  };
  try {
    for await (const piece of source) {
      gathered.push(piece);
      size += piece.length;
      if (size >= pieceLength) await passOn();
    }
    await passOn();
    await writing;
    await flushing;
  } finally {
    // The file must not be closed under a write.
    await Promise.allSettled([writing, flushing]);
  }
}

function shardOf(name: string): string {
  return name.slice(0, 2);
}

function notWritten(error: unknown): never {
  throw new NotWritten(error);
}

function nullIfMissing(error: unknown): null {
  if (isMissing(error)) return null;
  throw error;
}
