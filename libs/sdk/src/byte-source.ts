export type ByteSource = Uint8Array | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;

/** The largest piece that travels through a pipeline at one time. */
const PIECE = 262_144;

async function* chunksOf(source: ByteSource): AsyncGenerator<Uint8Array> {
  if (source instanceof Uint8Array) {
    yield source;
  } else if ('getReader' in source) {
    // By a reader, because not every browser can iterate over a stream.
    const reader = source.getReader();
    let ended = false;
    try {
      for (;;) {
        const { done, value } = await reader.read();
        ended = done;
        if (done) return;
        yield value;
      }
    } finally {
      if (!ended) await reader.cancel().catch(() => undefined);
    }
  } else {
    yield* source;
  }
}

/** The bytes of a source in pieces of bounded size; an abandoned source is cancelled. Throws for what are no bytes. */
export async function* piecesOf(source: ByteSource): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunksOf(source)) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError('the source gives something else than Uint8Array');
    for (let at = 0; at < chunk.length; at += PIECE) yield chunk.subarray(at, at + PIECE);
  }
}

/** Tells a source that nobody will read it (any further). Never throws. */
export async function abandon(source: ByteSource): Promise<void> {
  if (source instanceof Uint8Array) return;
  try {
    if ('getReader' in source) await source.cancel();
    else await source[Symbol.asyncIterator]().return?.();
  } catch {
    // A stream that somebody reads: the reader's own end cancels it.
  }
}

/**
 * A stream that draws from a generator over `source` as fast as it is read. Cancelling it ends both: a generator that
 * was never begun cannot pass its end on.
 */
export function streamOf(pieces: AsyncGenerator<Uint8Array>, source: ByteSource): ReadableStream<Uint8Array> {
  return new ReadableStream(
    {
      pull: async (out) => {
        const { done, value } = await pieces.next();
        if (done) out.close();
        else out.enqueue(value);
      },
      cancel: async () => {
        await pieces.return(undefined);
        await abandon(source);
      },
    },
    { highWaterMark: 0 },
  );
}

/** All bytes of a stream; for those that are known to be small. */
export async function bytesOf(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
