import { createHash } from 'node:crypto';
import { PassThrough, type TransformCallback } from 'node:stream';

/** Lower-case hex SHA-256. */
export function sha256Hex(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Counts and digests what passes. */
export class Sha256Meter extends PassThrough {
  /** Bytes so far. */
  size = 0;
  private readonly hash = createHash('sha256');
  private digest: string | null = null;

  constructor() {
    super({ highWaterMark: 65_536 });
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.size += chunk.length;
    this.hash.update(chunk);
    done(null, chunk);
  }

  /** Lower-case hex SHA-256 of all that passed; to be asked once everything has. */
  hex(): string {
    this.digest ??= this.hash.digest('hex');
    return this.digest;
  }
}
