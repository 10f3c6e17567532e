import { open, type FileHandle } from 'node:fs/promises';
import { SealError } from '@symbolon/crypto';
import { readIfThere, replaceFile } from './durable';

/** Seals and opens one frame; `place` is bound into it, so that a frame opens only where it was written. */
export interface FrameSeal {
  seal(place: string, plaintext: Uint8Array): Uint8Array;
  open(place: string, sealed: Uint8Array): Uint8Array;
}

/** The frames of a file. `damaged`: frames in the middle are missing; a torn last frame is no damage. */
export interface JournalContent {
  readonly generation: number;
  readonly frames: ReadonlyMap<number, Uint8Array>;
  readonly damaged: boolean;
}

const magic = Buffer.from('SYJ1');
const headLength = 8;
const lengthLength = 4;

/**
 * An append-only file of sealed frames: magic, generation (u32), then per frame its length (u32) and its bytes. Frame n
 * of generation g opens only at its own place. Whatever a crash leaves behind the last whole frame is cut off.
 */
export class JournalFile {
  private handle: FileHandle | null = null;
  private generation = 0;
  private count = 0;
  private end = 0;

  constructor(
    private readonly path: string,
    private readonly frameSeal: FrameSeal,
  ) {}

  /** Bytes that are valid. */
  get size(): number {
    return this.end;
  }

  /** What the file holds, or null if there is none, or none that can be read. */
  async load(): Promise<JournalContent | null> {
    const bytes = await readIfThere(this.path);
    if (!bytes || bytes.length < headLength || !bytes.subarray(0, 4).equals(magic)) return null;
    const generation = bytes.readUInt32LE(4);
    const frames = new Map<number, Uint8Array>();
    let at = headLength;
    let number = 0;
    for (; at + lengthLength <= bytes.length; number++) {
      const start = at + lengthLength;
      const next = start + bytes.readUInt32LE(at);
      if (next > bytes.length) break;
      const plaintext = this.openFrame(generation, number, bytes.subarray(start, next));
      if (plaintext) frames.set(number, plaintext);
      at = next;
    }
    const last = Math.max(-1, ...frames.keys());
    return { generation, frames, damaged: frames.size !== last + 1 };
  }

  /** Begins a new generation that holds these frames, in place of the old file. Durable when resolved. */
  async rewrite(generation: number, frames: readonly Uint8Array[]): Promise<void> {
    const head = Buffer.alloc(headLength);
    magic.copy(head);
    head.writeUInt32LE(generation, 4);
    const content = Buffer.concat([head, ...frames.map((frame, number) => this.encode(generation, number, frame))]);
    await this.close();
    await replaceFile(this.path, content);
    this.handle = await open(this.path, 'r+');
    this.generation = generation;
    this.count = frames.length;
    this.end = content.length;
  }

  /** Adds a frame; with `durable` it survives a power cut once resolved. After a failure only `rewrite` helps. */
  async append(plaintext: Uint8Array, durable: boolean): Promise<void> {
    if (!this.handle) throw new Error('the journal is not open');
    const bytes = this.encode(this.generation, this.count, plaintext);
    try {
      for (let done = 0; done < bytes.length;) {
        done += (await this.handle.write(bytes, done, bytes.length - done, this.end + done)).bytesWritten;
      }
      if (durable) await this.handle.datasync();
    } catch (error) {
      // What was written of the frame must not come true after a restart.
      await this.handle.truncate(this.end).catch(() => undefined);
      await this.close();
      throw error;
    }
    this.count++;
    this.end += bytes.length;
  }

  async sync(): Promise<void> {
    await this.handle?.datasync();
  }

  async close(): Promise<void> {
    const handle = this.handle;
    this.handle = null;
    await handle?.close();
  }

  private encode(generation: number, number: number, plaintext: Uint8Array): Buffer {
    const sealed = this.frameSeal.seal(placeOf(generation, number), plaintext);
    const length = Buffer.alloc(lengthLength);
    length.writeUInt32LE(sealed.length);
    return Buffer.concat([length, sealed]);
  }

  private openFrame(generation: number, number: number, sealed: Uint8Array): Uint8Array | null {
    try {
      return this.frameSeal.open(placeOf(generation, number), sealed);
    } catch (error) {
      if (error instanceof SealError) return null;
      throw error;
    }
  }
}

function placeOf(generation: number, number: number): string {
  return `${generation}.${number}`;
}
