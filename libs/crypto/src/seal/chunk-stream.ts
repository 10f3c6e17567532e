import type { CipherGCM } from 'node:crypto';
import { Transform, type TransformCallback } from 'node:stream';
import { cobblestone } from '@symbolon/contracts';
import { beginMessage, type ChunkKey, resumeMessage } from './cobblestone';
import { SealError } from './seal-error';

const { chunk: chunkLength, sealedChunk, tag: tagLength, head: headLength } = cobblestone;

/** Bytes a stage holds before it asks its source to wait. */
const highWaterMark = 4 * chunkLength;

/** Seals what passes as one message in constant memory. `prefix` goes out first, as it is. */
export class CobblestoneSealer extends Transform {
  /** Salt and commitment, 56 bytes. */
  readonly head: Buffer;
  private readonly chunks: ChunkKey;
  private cipher: CipherGCM | null = null;
  private index = 0;
  private filled = 0;

  constructor(key: Uint8Array, context: Uint8Array, options: { prefix?: Uint8Array; salt?: Uint8Array } = {}) {
    super({ highWaterMark });
    const { head, chunks } = beginMessage(key, context, options.salt);
    this.head = head;
    this.chunks = chunks;
    this.push(options.prefix ? Buffer.concat([options.prefix, head]) : head);
  }

  override _transform(input: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const out: Buffer[] = [];
    for (let at = 0; at < input.length;) {
      this.cipher ??= this.chunks.cipher(this.index);
      const piece = input.subarray(at, at + chunkLength - this.filled);
      out.push(this.cipher.update(piece));
      at += piece.length;
      this.filled += piece.length;
      if (this.filled === chunkLength) out.push(this.endChunk(this.cipher));
    }
    done(null, Buffer.concat(out));
  }

  override _flush(done: TransformCallback): void {
    done(null, this.endChunk(this.cipher ?? this.chunks.cipher(this.index)));
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.chunks.forget();
    done(error);
  }

  private endChunk(cipher: CipherGCM): Buffer {
    cipher.final();
    this.cipher = null;
    this.index++;
    this.filled = 0;
    return cipher.getAuthTag();
  }
}

/** What opens the message behind a prefix of known length. */
export type Unlock = (prefix: Buffer) => { readonly key: Uint8Array; readonly context: Uint8Array };

/**
 * Opens one message behind a prefix in constant memory. A chunk is handed out only after its tag has passed; any
 * fault, a missing end included, destroys the stream with a SealError. Until it has ended, what it gave is provisional.
 */
export class OpeningStream extends Transform {
  private chunks: ChunkKey | null = null;
  private index = 0;
  /** The bytes of the chunk (at first: of prefix and head) that is not yet complete. */
  private held: Buffer;
  private filled = 0;

  constructor(
    private readonly prefixLength: number,
    private readonly unlock: Unlock,
  ) {
    super({ highWaterMark });
    this.held = Buffer.allocUnsafeSlow(Math.max(sealedChunk, prefixLength + headLength));
  }

  override _transform(input: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    try {
      const rest = this.chunks ? input : this.begin(input);
      done(null, this.chunks && rest.length > 0 ? this.openChunks(this.chunks, rest) : undefined);
    } catch {
      done(new SealError());
    }
  }

  override _flush(done: TransformCallback): void {
    try {
      if (!this.chunks || this.filled < tagLength) throw new SealError();
      done(null, this.chunks.open(this.index, this.held.subarray(0, this.filled)));
    } catch {
      done(new SealError());
    }
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.chunks?.forget();
    done(error);
  }

  private begin(input: Buffer): Buffer {
    const rest = this.hold(input, this.prefixLength + headLength);
    if (this.filled === this.prefixLength + headLength) {
      const { key, context } = this.unlock(this.held.subarray(0, this.prefixLength));
      this.chunks = resumeMessage(key, context, this.held.subarray(this.prefixLength, this.filled));
      this.filled = 0;
    }
    return rest;
  }

  private openChunks(chunks: ChunkKey, input: Buffer): Buffer | undefined {
    const out: Buffer[] = [];
    let rest = input;
    if (this.filled > 0) {
      rest = this.hold(input, sealedChunk);
      if (this.filled < sealedChunk) return undefined;
      out.push(chunks.open(this.index++, this.held.subarray(0, sealedChunk)));
      this.filled = 0;
    }
    for (; rest.length >= sealedChunk; rest = rest.subarray(sealedChunk)) {
      out.push(chunks.open(this.index++, rest.subarray(0, sealedChunk)));
    }
    this.hold(rest, sealedChunk);
    return out.length > 0 ? Buffer.concat(out) : undefined;
  }

  /** Takes from the input until `wanted` bytes are held; answers what is left of it. */
  private hold(input: Buffer, wanted: number): Buffer {
    const taken = input.copy(this.held, this.filled, 0, wanted - this.filled);
    this.filled += taken;
    return input.subarray(taken);
  }
}

/** Opens one message that stands alone. */
export class CobblestoneOpener extends OpeningStream {
  constructor(key: Uint8Array, context: Uint8Array) {
    super(0, () => ({ key, context }));
  }
}
