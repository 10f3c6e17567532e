import { randomBytes } from 'node:crypto';
import { link, open as openFile, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Clock, SystemClock } from '@symbolon/kernel';
import { uuid7 } from '../mint/ids';
import { openBundle, sealBundle } from '../seal/bundle';
import { KeyRingError, MemoryKeyRing, type Purpose, purposes, RingKey } from './key-ring';

export interface FileKeyRingOptions {
  /** The sealed ring. Made at the first start. */
  readonly path: string;
  /** Where the master lies when none is given: 64 hex digits, made at the first start. */
  readonly masterPath: string;
  /** A configured master, 32 random bytes. */
  readonly master?: Uint8Array;
  readonly clock?: Clock;
}

interface Entry {
  id: string;
  purpose: Purpose;
  createdAt: string;
}

const keyLength = 32;
const refreshMillis = 60_000;

/**
 * The key ring in a file of mode 0600, sealed as SYM1 layer 4 under a master key. Every change is written to a second
 * file, synced and renamed, so that a crash leaves the old ring or the new one.
 */
export class FileKeyRing extends MemoryKeyRing {
  readonly #master: Uint8Array;
  private queue: Promise<unknown> = Promise.resolve();
  private readAt: number;

  private constructor(
    private readonly path: string,
    master: Uint8Array,
    clock: Clock,
    /** True where this start made the master file: the operator has to hear of it. */
    readonly madeMaster: boolean,
  ) {
    super(clock);
    this.#master = master;
    this.readAt = clock.millis();
  }

  /** Opens the ring or makes it. Throws KeyRingError, with a sentence that says what is wrong with which file. */
  static async open(options: FileKeyRingOptions): Promise<FileKeyRing> {
    const { path, masterPath, clock = new SystemClock() } = options;
    const exists = await isPrivateFile(path);
    let madeMaster = false;
    if (!options.master && !(await isPrivateFile(masterPath))) {
      if (exists) throw new KeyRingError(`${masterPath} is missing; without it the key ring ${path} stays closed`);
      madeMaster = await createFile(masterPath, Buffer.from(`${randomBytes(keyLength).toString('hex')}\n`));
    }
    const master = options.master ?? masterFrom(await readFile(masterPath, 'latin1'), masterPath);
    requireMaster(master);
    const ring = new FileKeyRing(path, master, clock, madeMaster);
    if (!exists) await createFile(path, await ring.sealed(ring.keys));
    await ring.refresh();
    const missing = purposes.filter((purpose) => ring.all(purpose).length === 0);
    if (missing.length > 0)
      await ring.change((keys) => [...missing.map((purpose) => RingKey.make(purpose, clock)), ...keys]);
    return ring;
  }

  /** Looks for another process's changes in the background, at most once a minute and only where the ring is used. */
  override all(purpose: Purpose): readonly RingKey[] {
    if (this.clock.millis() - this.readAt > refreshMillis) {
      this.readAt = this.clock.millis();
      this.refresh().catch(() => undefined);
    }
    return super.all(purpose);
  }

  override async refresh(): Promise<void> {
    await this.inTurn(async () => {
      this.keys = await this.stored();
      this.readAt = this.clock.millis();
    });
  }

  /** Only one process changes a ring at a time: the key store sees to it. */
  protected override async change(edit: (keys: readonly RingKey[]) => readonly RingKey[]): Promise<void> {
    await this.inTurn(async () => {
      const keys = edit(await this.stored());
      await replaceFile(this.path, await this.sealed(keys));
      this.keys = keys;
    });
  }

  private async inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.queue.then(work);
    this.queue = turn.catch(() => undefined);
    await turn;
  }

  /** The plaintext: LE32 length of a JSON list of entries, the list, then 32 bytes per entry. */
  private async sealed(keys: readonly RingKey[]): Promise<Buffer> {
    const list = Buffer.from(
      JSON.stringify(keys.map(({ id, purpose, createdAt }): Entry => ({ id, purpose, createdAt }))),
    );
    const length = Buffer.alloc(4);
    length.writeUInt32LE(list.length);
    const plaintext = Buffer.concat([length, list, ...keys.map(({ bytes }) => bytes)]);
    const sealed = await sealBundle({ master: this.#master }, null, plaintext);
    plaintext.fill(0);
    return sealed;
  }

  private async stored(): Promise<readonly RingKey[]> {
    const file = await readFile(this.path).catch(() => {
      throw new KeyRingError(`the key ring ${this.path} cannot be read`);
    });
    const plaintext = await openBundle({ master: this.#master }, null, file).catch(() => {
      throw new KeyRingError(`the key ring ${this.path} cannot be opened: it is damaged, or the master key is another`);
    });
    const end = 4 + plaintext.readUInt32LE(0);
    const entries = JSON.parse(plaintext.toString('utf8', 4, end)) as Entry[];
    const keys = entries.map(({ id, purpose, createdAt }, index) => {
      const at = end + index * keyLength;
      return new RingKey(id, purpose, createdAt, Buffer.from(plaintext.subarray(at, at + keyLength)));
    });
    plaintext.fill(0);
    return keys;
  }
}

function masterFrom(text: string, path: string): Buffer {
  const digits = text.trim();
  if (!/^[0-9a-fA-F]{64}$/.test(digits)) throw new KeyRingError(`${path} does not hold 64 hex digits`);
  return Buffer.from(digits, 'hex');
}

function requireMaster(master: Uint8Array): void {
  if (master.length !== keyLength) throw new KeyRingError('the master key must have 32 bytes');
  // Of 32 random bytes some 30 differ: fewer than 16 do not happen.
  if (new Set(master).size < 16) throw new KeyRingError('the master key is not random');
}

/** False when there is no such file. */
async function isPrivateFile(path: string): Promise<boolean> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw new KeyRingError(`${path} cannot be read (${error.code ?? 'unknown fault'})`);
  });
  if (!found) return false;
  if (found.mode % 0o100 !== 0) throw new KeyRingError(`${path} is open to others: set its mode to 0600`);
  return true;
}

/** Of several processes that start at once, one makes the file and all read it. Answers whether it was this one. */
async function createFile(path: string, content: Uint8Array): Promise<boolean> {
  const draft = await writeDraft(path, content);
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw new KeyRingError(`${path} cannot be made (${(error as NodeJS.ErrnoException).code ?? 'unknown fault'})`);
  } finally {
    await rm(draft, { force: true });
    await syncDirectory(path);
  }
}

async function replaceFile(path: string, content: Uint8Array): Promise<void> {
  await rename(await writeDraft(path, content), path);
  await syncDirectory(path);
}

async function writeDraft(path: string, content: Uint8Array): Promise<string> {
  const draft = `${path}.${uuid7()}`;
  const file = await openFile(draft, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    throw new KeyRingError(`${dirname(path)} cannot be written (${error.code ?? 'unknown fault'})`);
  });
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  return draft;
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await openFile(dirname(path), 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
