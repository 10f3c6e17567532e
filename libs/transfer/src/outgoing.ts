import type { ServerResponse } from 'node:http';
import { type Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

export interface Outgoing {
  readonly length: number;
  readonly body: Readable;
  /** How long the receiver may take none of the bytes that wait for it. */
  readonly idleMillis: number;
  readonly signal: AbortSignal;
}

/**
 * Sends exactly `length` bytes and resolves when the last one was handed to the network. Rejects, and ends the
 * connection, where the receiver breaks off or falls silent, or where the body has another length than announced.
 */
export async function send(response: ServerResponse, { length, body, idleMillis, signal }: Outgoing): Promise<void> {
  const gone = new AbortController();
  const left = () => gone.abort(new Error('the receiver broke off'));
  let sent = 0;
  const sink = new Writable({
    highWaterMark: 256 * 1024,
    write(chunk: Buffer, _encoding, done) {
      sent += chunk.length;
      if (sent > length) return done(new Error(`the body is longer than the ${length} bytes announced`));
      const idle = setTimeout(() => gone.abort(new Error('the receiver fell silent')), idleMillis).unref();
      // The callback of a write, unlike the end of the response, tells whether the network took the bytes.
      response.write(chunk, (error) => {
        clearTimeout(idle);
        done(error);
      });
    },
    final(done) {
      if (sent < length) return done(new Error(`the body ended after ${sent} of ${length} bytes`));
      response.off('close', left);
      response.end();
      done();
    },
  });
  response.once('close', left);
  if (response.destroyed) left();
  try {
    await pipeline(body, sink, { signal: AbortSignal.any([gone.signal, signal]) });
  } catch (error) {
    response.destroy();
    throw error;
  } finally {
    response.off('close', left);
  }
}
