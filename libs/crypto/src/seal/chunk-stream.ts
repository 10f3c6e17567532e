import { Transform, type TransformCallback } from 'node:stream';
import { cobblestone } from '@symbolon/contracts';
import { ChunkOpening, ChunkSealing } from './chunk-work';
import { beginMessage, type ChunkKey, type ChunkKeyMaterial, resumeMessage } from './cobblestone';
import { SealError } from './seal-error';

/** Bytes a stage holds before it asks its source to wait. */
const highWaterMark = 4 * cobblestone.chunk;

/** Seals what passes as one message in constant memory. `prefix` goes out first, as it is. */
export class CobblestoneSealer extends Transform {
  /** Salt and commitment, 56 bytes. */
  readonly head: Buffer;
  /** What goes out before the first chunk: the prefix and the head. */
  readonly preamble: Buffer;
  private readonly chunks: ChunkKey;
  private readonly sealing: ChunkSealing;

  constructor(key: Uint8Array, context: Uint8Array, options: { prefix?: Uint8Array; salt?: Uint8Array } = {}) {
    super({ highWaterMark });
    const { head, chunks } = beginMessage(key, context, options.salt);
    this.head = head;
    this.preamble = options.prefix ? Buffer.concat([options.prefix, head]) : head;
    this.chunks = chunks;
    this.sealing = new ChunkSealing(chunks);
    this.push(this.preamble);
  }

  /** For another that seals in its place. */
  material(): ChunkKeyMaterial {
    return this.chunks.material();
  }

  override _transform(input: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    done(null, this.sealing.update(input));
  }

  override _flush(done: TransformCallback): void {
    done(null, this.sealing.end());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.sealing.forget();
    done(error);
  }
}

/** What opens the message behind a prefix of known length. */
export type Unlock = (prefix: Buffer) => { readonly key: Uint8Array; readonly context: Uint8Array };

/** The bytes before the first chunk, gathered until they are whole; they give the key of the chunks. */
export class Preamble {
  private held: Uint8Array[] = [];
  private missing: number;

  constructor(
    private readonly prefixLength: number,
    private readonly unlock: Unlock,
  ) {
    this.missing = prefixLength + cobblestone.head;
  }

  /** The key, and what is left of the input, once it is whole; until then null. Throws where it opens nothing. */
  take(input: Buffer): { chunks: ChunkKey; rest: Buffer } | null {
    const taken = input.subarray(0, this.missing);
    this.held.push(taken);
    this.missing -= taken.length;
    if (this.missing > 0) return null;
    const whole = Buffer.concat(this.held);
    this.held = [];
    const { key, context } = this.unlock(whole.subarray(0, this.prefixLength));
    return {
      chunks: resumeMessage(key, context, whole.subarray(this.prefixLength)),
      rest: input.subarray(taken.length),
    };
  }
}

/**
 * Opens one message behind a prefix in constant memory. A chunk is handed out only after its tag has passed; any
 * fault, a missing end included, destroys the stream with a SealError. Until it has ended, what it gave is provisional.
 */
export class OpeningStream extends Transform {
  readonly preamble: Preamble;
  private opening: ChunkOpening | null = null;

  constructor(prefixLength: number, unlock: Unlock) {
    super({ highWaterMark });
    this.preamble = new Preamble(prefixLength, unlock);
  }

  override _transform(input: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    try {
      done(null, this.opened(input));
    } catch {
      done(new SealError());
    }
  }

  override _flush(done: TransformCallback): void {
    try {
      if (!this.opening) throw new SealError();
      done(null, this.opening.end());
    } catch {
      done(new SealError());
    }
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.opening?.forget();
    done(error);
  }

  private opened(input: Buffer): Buffer | undefined {
    if (this.opening) return this.opening.update(input);
    const begun = this.preamble.take(input);
    if (!begun) return undefined;
    this.opening = new ChunkOpening(begun.chunks);
    return this.opening.update(begun.rest);
  }
}

/** Opens one message that stands alone. */
export class CobblestoneOpener extends OpeningStream {
  constructor(key: Uint8Array, context: Uint8Array) {
    super(0, () => ({ key, context }));
  }
}
