import type { CipherGCM } from 'node:crypto';
import { cobblestone } from '@symbolon/contracts';
import type { ChunkKey } from './cobblestone';
import { SealError } from './seal-error';

const { chunk: chunkLength, sealedChunk, tag: tagLength } = cobblestone;

/** Seals the chunks of one message, from pieces of any length. */
export class ChunkSealing {
  private cipher: CipherGCM | null = null;
  private index = 0;
  private filled = 0;

  constructor(private readonly chunks: ChunkKey) {}

  /** All that comes of these bytes: nothing is held back. */
  update(input: Uint8Array): Buffer {
    const out: Buffer[] = [];
    for (let at = 0; at < input.length;) {
      this.cipher ??= this.chunks.cipher(this.index);
      const piece = input.subarray(at, at + chunkLength - this.filled);
      out.push(this.cipher.update(piece));
      at += piece.length;
      this.filled += piece.length;
      if (this.filled === chunkLength) out.push(this.endChunk(this.cipher));
    }
    return Buffer.concat(out);
  }

  end(): Buffer {
    return this.endChunk(this.cipher ?? this.chunks.cipher(this.index));
  }

  forget(): void {
    this.chunks.forget();
  }

  private endChunk(cipher: CipherGCM): Buffer {
    cipher.final();
    this.cipher = null;
    this.index++;
    this.filled = 0;
    return cipher.getAuthTag();
  }
}

/** Opens the chunks of one message; gives out a chunk only after its tag has passed. Throws where one does not. */
export class ChunkOpening {
  private index = 0;
  /** The bytes of the chunk that is not yet complete. */
  private readonly held = Buffer.allocUnsafeSlow(sealedChunk);
  private filled = 0;

  constructor(private readonly chunks: ChunkKey) {}

  /** The chunks that these bytes complete. */
  update(input: Uint8Array): Buffer {
    const out: Buffer[] = [];
    let rest = input;
    if (this.filled > 0) {
      rest = this.hold(input);
      if (this.filled < sealedChunk) return Buffer.alloc(0);
      out.push(this.chunks.open(this.index++, this.held));
      this.filled = 0;
    }
    for (; rest.length >= sealedChunk; rest = rest.subarray(sealedChunk)) {
      out.push(this.chunks.open(this.index++, rest.subarray(0, sealedChunk)));
    }
    this.hold(rest);
    return Buffer.concat(out);
  }

  /** The last chunk, which is shorter than the others. */
  end(): Buffer {
    if (this.filled < tagLength) throw new SealError();
    return this.chunks.open(this.index, this.held.subarray(0, this.filled));
  }

  forget(): void {
    this.chunks.forget();
  }

  /** Takes from the input what the chunk lacks; answers what is left of it. */
  private hold(input: Uint8Array): Uint8Array {
    const taken = input.subarray(0, sealedChunk - this.filled);
    this.held.set(taken, this.filled);
    this.filled += taken.length;
    return input.subarray(taken.length);
  }
}
