import { Readable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** What a stage gives for `input`, handed in as pieces of `piece` bytes; `fault` is what it failed with, if it did. */
export async function pass(
  stage: Transform,
  input: Uint8Array,
  piece = 65_536,
): Promise<{ output: Buffer; fault: unknown }> {
  const out: Buffer[] = [];
  const pieces = Array.from({ length: Math.ceil(input.length / piece) }, (_, index) =>
    input.subarray(index * piece, (index + 1) * piece),
  );
  stage.on('data', (data: Buffer) => out.push(data));
  const fault = await pipeline(Readable.from(pieces, { objectMode: true }), stage).then(
    () => null,
    (error: unknown) => error,
  );
  return { output: Buffer.concat(out), fault };
}

/** The output of a stage that must not fail. */
export async function through(stage: Transform, input: Uint8Array, piece?: number): Promise<Buffer> {
  const { output, fault } = await pass(stage, input, piece);
  if (fault) throw fault;
  return output;
}
