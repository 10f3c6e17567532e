import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A test vector file; they lie with the server's cryptography, which runs the same ones. */
export function vectorFile(name: string): Buffer {
  return readFileSync(join(__dirname, '../../crypto/test/vectors', name));
}

export function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'));
}

/** The bytes from…to, as the known answers of the design name their inputs. */
export function run(from: number, to: number): Uint8Array {
  return Uint8Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

export function textBytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** A stream of `bytes` cut at the given lengths, in turn. */
export function streamed(
  bytes: Uint8Array,
  lengths: readonly number[] = [bytes.length || 1],
): ReadableStream<Uint8Array> {
  let at = 0;
  let turn = 0;
  return new ReadableStream({
    pull: (out) => {
      if (at >= bytes.length) return out.close();
      const end = at + Math.max(1, lengths[turn++ % lengths.length]!);
      out.enqueue(bytes.slice(at, end));
      at = end;
    },
  });
}

/** Reads a stream until it ends or fails. */
export async function drained(
  stream: ReadableStream<Uint8Array>,
): Promise<{ readonly bytes: Buffer; readonly error: unknown }> {
  const parts: Uint8Array[] = [];
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return { bytes: Buffer.concat(parts), error: null };
      parts.push(value);
    }
  } catch (error) {
    return { bytes: Buffer.concat(parts), error };
  }
}
