import { get, request } from 'node:http';
import { pipeline, Readable } from 'node:stream';
import { CobblestoneOpener, CobblestoneSealer, randomBytes } from '@symbolon/crypto';
import { connect, ProfileKeys, type Session } from '@symbolon/sdk';
import { WebSocket } from 'ws';
import { answerTasks } from './part';

export interface FileTask {
  readonly what: 'put raw' | 'get raw' | 'put sdk' | 'get sdk';
  readonly port: number;
  /** Authorization token. */
  readonly token: string;
  /** The profile's keys, base64. */
  readonly keys: string;
  readonly size: number;
  /** The data token, to get it back. */
  readonly dataToken?: string;
}

export interface FileAnswer {
  readonly seconds: number;
  readonly dataToken: string;
}

/** What is sent again and again, so that the client has no more to do than to send it and to compare. */
const block = randomBytes(1 << 20);
const pieceLength = 1 << 16;

function* pieces(size: number): Generator<Buffer> {
  for (let at = 0; at < size; at += pieceLength) {
    const from = at % block.length;
    yield block.subarray(from, from + Math.min(pieceLength, size - at));
  }
}

/** Reads to the end. Throws unless it was what `pieces` gave. */
async function compare(source: AsyncIterable<Uint8Array>, size: number): Promise<void> {
  let at = 0;
  for await (const piece of source) {
    for (let done = 0; done < piece.length;) {
      const from = at % block.length;
      const length = Math.min(piece.length - done, block.length - from);
      if (block.compare(piece, done, done + length, from, from + length) !== 0) throw new Error(`byte ${at} differs`);
      done += length;
      at += length;
    }
  }
  if (at !== size) throw new Error(`${at} bytes came back instead of ${size}`);
}

async function putRaw(session: Session, size: number): Promise<string> {
  const { commandId } = await session.command('/data-token/reserve-token-space', { context: 'bench' });
  const { stream } = await session.query<{ stream: string }>(`/data-token/retrieve-temporary-data-token/${commandId}`);
  const upload = await new Promise<string>((resolve, reject) => {
    const call = request(stream, { method: 'POST', headers: { 'content-length': size } }, (answer) => {
      resolve(String(answer.headers['x-dpt-cab-id']));
      answer.resume();
    });
    call.on('error', reject);
    pipeline(Readable.from(pieces(size), { objectMode: false }), call, (error) => error && reject(error));
  });
  return (await session.outcome<{ token: string }>(upload)).body.token;
}

async function getRaw(session: Session, token: string, size: number): Promise<void> {
  const { body } = await session.command<{ downloadUrl: string }>('/data-token/request-data', { token });
  const answer = await new Promise<Readable>((resolve, reject) => get(body.downloadUrl, resolve).on('error', reject));
  await compare(answer, size);
}

function ignore(): void {}

answerTasks(async ({ what, port, token, keys, size, dataToken }: FileTask): Promise<FileAnswer> => {
  const session = await connect({
    url: `http://127.0.0.1:${port}`,
    token,
    keys: await ProfileKeys.fromBytes(Buffer.from(keys, 'base64')),
    webSocket: WebSocket,
    // As the command line does it: Node's own cryptography in place of WebCrypto.
    cipher: () => ({
      seal: (source, key, context) => pipeline(source, new CobblestoneSealer(key, context), ignore),
      open: (source, key, context) => pipeline(source, new CobblestoneOpener(key, context), ignore),
    }),
  });
  try {
    const begun = performance.now();
    const answer = async (): Promise<string> => {
      switch (what) {
        case 'put raw':
          return putRaw(session, size);
        case 'put sdk':
          return (await session.store(Readable.from(pieces(size), { objectMode: false }), { context: 'bench' })).token;
        case 'get raw':
          await getRaw(session, dataToken!, size);
          return dataToken!;
        case 'get sdk':
          await compare((await session.fetch(dataToken!)).stream, size);
          return dataToken!;
      }
    };
    const stored = await answer();
    return { seconds: (performance.now() - begun) / 1000, dataToken: stored };
  } finally {
    session.close();
  }
});
