import { chunkNonce, cobblestone, deriveInfo } from '@symbolon/contracts';

/**
 * Cobblestone-256 on WebCrypto: C2SP chunked-encryption with SHA-512 and AES-256-GCM
 * (https://c2sp.org/chunked-encryption).
 */

const { subtle } = globalThis.crypto;

type WebKey = Awaited<ReturnType<typeof subtle.importKey>>;
/** Takes what a sealer or opener gives out, in order. */
type Sink = (bytes: Uint8Array) => void;

/** Chunks that are under way at WebCrypto at one time: enough to keep its threads busy, in bounded memory. */
const IN_FLIGHT = 32;

/** Whatever fails while opening: callers learn that it failed, not why. */
export class SealError extends Error {
  override readonly name = 'SealError';

  constructor() {
    super('cannot be opened');
  }
}

/** Compares without telling by its duration where two values of one length differ. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0;
}

export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const only = parts[0];
  if (parts.length === 1 && only) return only;
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

interface MessageKeys {
  readonly key: WebKey;
  readonly nonce: Uint8Array;
  readonly commitment: Uint8Array;
}

/** HKDF-Expand-SHA512 to 76 bytes: WebCrypto's HKDF always extracts first, so the two blocks are made by HMAC. */
async function messageKeys(key: Uint8Array, context: Uint8Array, salt: Uint8Array): Promise<MessageKeys> {
  if (key.length !== cobblestone.key) throw new SealError();
  const info = deriveInfo(salt, context);
  const mac = await subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-512' }, false, ['sign']);
  const first = new Uint8Array(await subtle.sign('HMAC', mac, joined([info, new Uint8Array([1])])));
  const second = new Uint8Array(await subtle.sign('HMAC', mac, joined([first, info, new Uint8Array([2])])));
  const derived = joined([first, second]);
  const keys = {
    key: await subtle.importKey('raw', derived.subarray(0, 32), 'AES-GCM', false, ['encrypt', 'decrypt']),
    nonce: derived.slice(32, 44),
    commitment: derived.slice(44, 76),
  };
  for (const secret of [first, second, derived]) secret.fill(0);
  return keys;
}

/** Cuts what arrives into pieces of one size and holds the rest. A piece is good until the next one is asked for. */
class Cutter {
  private readonly rest: Uint8Array;
  private held = 0;

  constructor(private readonly size: number) {
    this.rest = new Uint8Array(size);
  }

  *pieces(bytes: Uint8Array): Generator<Uint8Array> {
    let at = 0;
    if (this.held > 0) {
      at = Math.min(this.size - this.held, bytes.length);
      this.rest.set(bytes.subarray(0, at), this.held);
      this.held += at;
      if (this.held < this.size) return;
      this.held = 0;
      yield this.rest;
    }
    for (; bytes.length - at >= this.size; at += this.size) yield bytes.subarray(at, at + this.size);
    this.rest.set(bytes.subarray(at));
    this.held = bytes.length - at;
  }

  remainder(): Uint8Array {
    return this.rest.subarray(0, this.held);
  }
}

/** Chunks under way, given out in the order in which they were begun. */
class InFlight {
  private readonly batches: { readonly bytes: Promise<Uint8Array>; readonly chunks: number }[] = [];
  private chunks = 0;

  async begin(chunks: readonly Promise<ArrayBuffer>[], sink: Sink): Promise<void> {
    const bytes = Promise.all(chunks).then((done) => joined(done.map((chunk) => new Uint8Array(chunk))));
    // Whoever awaits the batch sees the failure; this keeps an earlier one from going unhandled meanwhile.
    bytes.catch(() => undefined);
    this.batches.push({ bytes, chunks: chunks.length });
    this.chunks += chunks.length;
    while (this.chunks > IN_FLIGHT) await this.giveOut(sink);
  }

  async end(sink: Sink): Promise<void> {
    while (this.batches.length > 0) await this.giveOut(sink);
  }

  private async giveOut(sink: Sink): Promise<void> {
    const batch = this.batches.shift()!;
    sink(await batch.bytes);
    this.chunks -= batch.chunks;
  }
}

/** What seals or opens one message piece by piece; `update` and `end` are called one after another. */
abstract class ChunkRun {
  private readonly inFlight = new InFlight();
  private readonly cutter: Cutter;
  private number = 0;

  protected constructor(pieceSize: number) {
    this.cutter = new Cutter(pieceSize);
  }

  protected abstract work(nonce: Uint8Array, piece: Uint8Array): Promise<ArrayBuffer>;
  protected abstract readonly keys: MessageKeys;

  protected async cut(bytes: Uint8Array, sink: Sink): Promise<void> {
    let begun: Promise<ArrayBuffer>[] = [];
    for (const piece of this.cutter.pieces(bytes)) {
      // WebCrypto copies its input before it returns, so the piece may be overwritten at once.
      begun.push(this.next(piece));
      if (begun.length < IN_FLIGHT / 2) continue;
      await this.inFlight.begin(begun, sink);
      begun = [];
    }
    if (begun.length > 0) await this.inFlight.begin(begun, sink);
  }

  protected async finish(sink: Sink): Promise<void> {
    await this.inFlight.begin([this.next(this.cutter.remainder())], sink);
    await this.inFlight.end(sink);
  }

  private next(piece: Uint8Array): Promise<ArrayBuffer> {
    return this.work(chunkNonce(this.keys.nonce, this.number++), piece);
  }
}

class Sealing extends ChunkRun {
  private constructor(protected readonly keys: MessageKeys) {
    super(cobblestone.chunk);
  }

  static async begin(key: Uint8Array, context: Uint8Array, salt: Uint8Array, sink: Sink): Promise<Sealing> {
    const keys = await messageKeys(key, context, salt);
    sink(joined([salt, keys.commitment]));
    return new Sealing(keys);
  }

  update(bytes: Uint8Array, sink: Sink): Promise<void> {
    return this.cut(bytes, sink);
  }

  end(sink: Sink): Promise<void> {
    return this.finish(sink);
  }

  protected work(iv: Uint8Array, piece: Uint8Array): Promise<ArrayBuffer> {
    return subtle.encrypt({ name: 'AES-GCM', iv }, this.keys.key, piece);
  }
}

class Opening extends ChunkRun {
  private readonly header = new Uint8Array(cobblestone.head);
  private headerHeld = 0;
  private derived: MessageKeys | null = null;

  constructor(
    private readonly key: Uint8Array,
    private readonly context: Uint8Array,
  ) {
    super(cobblestone.sealedChunk);
  }

  async update(bytes: Uint8Array, sink: Sink): Promise<void> {
    try {
      const taken = Math.min(cobblestone.head - this.headerHeld, bytes.length);
      if (taken > 0) await this.takeHeader(bytes.subarray(0, taken));
      if (bytes.length > taken) await this.cut(bytes.subarray(taken), sink);
    } catch {
      throw new SealError();
    }
  }

  async end(sink: Sink): Promise<void> {
    if (!this.derived) throw new SealError();
    try {
      await this.finish(sink);
    } catch {
      throw new SealError();
    }
  }

  protected get keys(): MessageKeys {
    return this.derived!;
  }

  protected work(iv: Uint8Array, piece: Uint8Array): Promise<ArrayBuffer> {
    return subtle.decrypt({ name: 'AES-GCM', iv }, this.keys.key, piece);
  }

  private async takeHeader(bytes: Uint8Array): Promise<void> {
    this.header.set(bytes, this.headerHeld);
    this.headerHeld += bytes.length;
    if (this.headerHeld < cobblestone.head) return;
    const keys = await messageKeys(this.key, this.context, this.header.slice(0, cobblestone.salt));
    if (!sameBytes(keys.commitment, this.header.subarray(cobblestone.salt))) throw new SealError();
    this.derived = keys;
  }
}

function randomSalt(): Uint8Array {
  return globalThis.crypto.getRandomValues(new Uint8Array(cobblestone.salt));
}

/** Seals `plaintext` under a 32-byte key and a context. `salt` is for known-answer tests; it must never repeat. */
export async function seal(
  key: Uint8Array,
  context: Uint8Array,
  plaintext: Uint8Array,
  salt: Uint8Array = randomSalt(),
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const sink: Sink = (bytes) => void parts.push(bytes);
  const sealing = await Sealing.begin(key, context, salt, sink);
  await sealing.update(plaintext, sink);
  await sealing.end(sink);
  return joined(parts);
}

/** Opens a whole message. Throws `SealError`. */
export async function open(key: Uint8Array, context: Uint8Array, message: Uint8Array): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const sink: Sink = (bytes) => void parts.push(bytes);
  const opening = new Opening(key, context);
  await opening.update(message, sink);
  await opening.end(sink);
  return joined(parts);
}

/** Seals what is written to it, in constant memory. `prefix` is given out before the message. */
export function sealStream(
  key: Uint8Array,
  context: Uint8Array,
  prefix?: Uint8Array,
): TransformStream<Uint8Array, Uint8Array> {
  let sealing: Sealing;
  return new TransformStream({
    start: async (out) => {
      if (prefix) out.enqueue(prefix);
      sealing = await Sealing.begin(key, context, randomSalt(), (bytes) => out.enqueue(bytes));
    },
    transform: (bytes, out) => sealing.update(bytes, (sealed) => out.enqueue(sealed)),
    flush: (out) => sealing.end((sealed) => out.enqueue(sealed)),
  });
}

/**
 * Opens a message that is written to it, in constant memory. Gives a chunk out only after its tag has passed; what it
 * gave out is provisional until the stream has ended well. Errors with `SealError`.
 */
export function openStream(key: Uint8Array, context: Uint8Array): TransformStream<Uint8Array, Uint8Array> {
  const opening = new Opening(key, context);
  return new TransformStream({
    transform: (bytes, out) => opening.update(bytes, (opened) => out.enqueue(opened)),
    flush: (out) => opening.end((opened) => out.enqueue(opened)),
  });
}
