import type { ClientRequest } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { type Clock, millisOf } from '@symbolon/kernel';
import { openStreamFrom, SealError, sealedStreamLength, sealStreamTo, sha256Hex, Sha256Meter } from '@symbolon/crypto';
import type { Backoff } from './backoff';
import { type BlobStore, type Draft, NotWritten } from './blob-store';
import { longestEnvelope } from './envelope';
import type { Configuration, DeviceKeys } from './home';
import { type Entry, type Holding, keepFor, type Ledger } from './ledger';
import type { Log } from './log';
import { startDownload, TransferBroken, upload, UrlDead } from './payload-transfer';
import { notStored, type Order, type Outcome, refused, type Role, type Task } from './role';
import type { Lanes } from './turns';

/** Layer-2 payloads up to this many bytes travel inside messages (contract, section 16.5). */
const inlineLimit = 65_536;
/** The text of an inventory page must fit an envelope after sealing and base64. */
const pageLimit = Math.floor(((longestEnvelope - 2048) * 3) / 4);
const orphansKeptFor = keepFor + 24 * 60 * 60 * 1000;

interface Target {
  readonly objectId: string;
  readonly version: number;
}

interface Parts {
  readonly store: BlobStore;
  readonly ledger: Ledger;
  readonly lanes: Lanes;
  readonly keys: Pick<DeviceKeys, 'exchange'>;
  readonly cabPublicKey: Configuration['cabPublicKey'];
  readonly clock: Clock;
  readonly log: Log;
  readonly retry: () => Backoff;
}

/** Keeps blobs for the server (contract, section 16.3, `storage.*`). */
export class StorageRole implements Role {
  readonly types = ['storage.write', 'storage.read', 'storage.delete', 'storage.inventory'];

  constructor(private readonly parts: Parts) {}

  plan(order: Order, latest: () => Order): Task | null {
    switch (order.type) {
      case 'storage.write':
        return this.planWrite(order, latest);
      case 'storage.read':
        return this.planRead(order, latest);
      case 'storage.delete':
        return this.planDelete(order);
      case 'storage.inventory':
        return this.planInventory(order);
      default:
        return null;
    }
  }

  /**
   * Compares ledger and disk: what is listed without being there is no longer listed, and blobs that no order named
   * for as long as one can be repeated are removed (a crash left them). `complete`: the ledger knows of all blobs.
   */
  async reconcile(complete: boolean, signal: AbortSignal): Promise<void> {
    const { store, ledger, lanes, clock, log } = this.parts;
    const listed = new Map<string, Target>();
    for (const [objectId, versions] of [...ledger.after(null)]) {
      for (const { version } of versions) listed.set(store.nameOf(objectId, version), { objectId, version });
      if (listed.size % 512 === 0) await new Promise((resolve) => setImmediate(resolve));
      signal.throwIfAborted();
    }
    let removed = 0;
    for await (const names of store.names()) {
      for (const name of names) {
        if (listed.delete(name) || !complete) continue;
        if (await store.removeOlder(name, clock.millis() - orphansKeptFor)) removed++;
      }
      signal.throwIfAborted();
    }
    let missing = 0;
    for (const { objectId, version } of listed.values()) {
      await lanes.run(objectId, async () => {
        if (!ledger.find(objectId, version) || (await store.sizeOf(objectId, version).catch(() => 0)) !== null) return;
        await ledger.record(['gone', objectId, version]);
        missing++;
      });
    }
    if (removed + missing > 0) log('reconciled', { removed, missing });
  }

  private planWrite(order: Order, latest: () => Order): Task | null {
    const target = targetOf(order.content);
    const { size, sha256, payload, payloadUrl } = order.content;
    if (!target || !isCount(size) || typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256)) return null;
    const inline = typeof payload === 'string';
    if (!inline && !(isUrl(payloadUrl) && expiryOf(order, 'payloadUrlExpiresAt') !== null)) return null;
    const { objectId, version } = target;
    const answer = (storedAt: string) => ({
      type: 'storage.write_ack',
      content: { objectId, version, sha256, storedAt },
    });
    const stored = (at: string, known: boolean): Outcome => ({
      kind: 'answer',
      ...answer(at),
      entries: [['stored', objectId, version, size, sha256]],
      undo: async () => {
        if (!known) await this.parts.store.remove(objectId, [version]);
      },
    });
    const { ledger, store } = this.parts;
    return {
      lane: objectId,
      long: !inline,
      once: true,
      repeat: ({ answeredAt }) => answer(answeredAt),
      run: async (at, signal) => {
        const known = ledger.find(objectId, version) !== null;
        if (inline) {
          const bytes = Buffer.from(payload, 'base64');
          if (bytes.length !== size || sha256Hex(bytes) !== sha256) return mismatch;
          try {
            await store.put(objectId, version, bytes);
          } catch (error) {
            return this.writeFailed(error);
          }
          return stored(at, known);
        }
        if (known && (await this.isIntact(target, size, sha256))) return { kind: 'answer', ...answer(at), entries: [] };
        return this.transfer(latest, 'payloadUrl', signal, async (url) => {
          const failure = await this.download(url, target, size, sha256, signal);
          return failure ?? stored(at, known);
        });
      },
    };
  }

  private planRead(order: Order, latest: () => Order): Task | null {
    const target = targetOf(order.content);
    const uploadUrl = order.content['uploadUrl'] ?? null;
    if (!target || (uploadUrl !== null && !(isUrl(uploadUrl) && expiryOf(order, 'uploadUrlExpiresAt') !== null)))
      return null;
    const { objectId, version } = target;
    const result = (content: object): Outcome => ({
      kind: 'answer',
      type: 'storage.read_result',
      content: { objectId, version, ...content },
    });
    const { store, ledger, log } = this.parts;
    return {
      lane: objectId,
      long: uploadUrl !== null,
      once: false,
      run: async (_at, signal) => {
        try {
          const size = await store.sizeOf(objectId, version);
          if (size === null) return result({ found: false });
          if (size <= inlineLimit) {
            const bytes = await store.get(objectId, version);
            if (!bytes) return result({ found: false });
            return result({ found: true, size, sha256: sha256Hex(bytes), payload: bytes.toString('base64') });
          }
          if (uploadUrl === null)
            return refused('device.envelope_invalid', 'the object is too large to be sent without an uploadUrl');
          const known = ledger.find(objectId, version);
          let unanswered: { url: string; sha256: string } | null = null;
          return await this.transfer(latest, 'uploadUrl', signal, async (url) => {
            const sent = await this.upload(url, target, size, known, signal).catch((error: unknown) => {
              // A spent URL after everything was sent: the server has it, only its answer was lost.
              if (error instanceof UrlDead && unanswered?.url === url) return { ...unanswered, answered: true };
              throw error;
            });
            if (!sent.answered) {
              unanswered = { url, sha256: sent.sha256 };
              throw new TransferBroken('no answer to the upload', false);
            }
            return result({ found: true, size, sha256: sent.sha256, uploaded: true });
          });
        } catch (error) {
          if (!isDamage(error)) throw error;
          log('blob-damaged', { objectId, version, reason: reasonOf(error) });
          return refused('storage.digest_mismatch', 'the stored bytes are damaged');
        }
      },
    };
  }

  private planDelete(order: Order): Task | null {
    const { objectId, upToVersion } = order.content;
    if (!isObjectId(objectId) || !isCount(upToVersion)) return null;
    const answer = (deletedAt: string) => ({
      type: 'storage.delete_ack',
      content: { objectId, upToVersion, deletedAt },
    });
    const { store, ledger } = this.parts;
    return {
      lane: objectId,
      long: false,
      once: true,
      repeat: ({ answeredAt }) => answer(answeredAt),
      run: async (at) => {
        const versions = new Set(ledger.versionsOf(objectId).map(({ version }) => version));
        // A blob that a crash kept out of the ledger goes as well.
        if (isVersion(upToVersion)) versions.add(upToVersion);
        // The file goes before its entry: a crash between leaves an entry without a file, which reads as not found.
        await store.remove(
          objectId,
          [...versions].filter((version) => version <= upToVersion),
        );
        const entries: Entry[] = [['deleted', objectId, upToVersion]];
        return { kind: 'answer', ...answer(at), entries };
      },
    };
  }

  private planInventory(order: Order): Task | null {
    const after = order.content['after'] ?? null;
    const { limit } = order.content;
    if ((after !== null && !isObjectId(after)) || !isCount(limit) || limit < 1 || limit > 500) return null;
    return {
      lane: null,
      long: false,
      once: false,
      run: () =>
        Promise.resolve({ kind: 'answer', type: 'storage.inventory_result', content: this.page(after, limit) }),
    };
  }

  /** Up to `limit` objects after `after`, all versions of an object on one page, as many as an envelope can hold. */
  private page(after: string | null, limit: number): { items: (Target & Holding)[]; next: string | null } {
    const items: (Target & Holding)[] = [];
    let last: string | null = null;
    let objects = 0;
    let length = 0;
    for (const [objectId, versions] of this.parts.ledger.after(after)) {
      let more = versions.map((holding) => ({ objectId, ...holding }));
      let added = JSON.stringify(more).length;
      if (objects === limit || (objects > 0 && length + added > pageLimit)) return { items, next: last };
      // More versions of one object than a message can hold: the newest count.
      while (added > pageLimit) {
        more = more.slice(Math.ceil(more.length / 2));
        added = JSON.stringify(more).length;
      }
      items.push(...more);
      length += added;
      objects++;
      last = objectId;
    }
    return { items, next: null };
  }

  /** Tries a transfer until it is done, its URL is dead or expired; a newer delivery's URL is taken when it comes. */
  private async transfer(
    latest: () => Order,
    field: 'payloadUrl' | 'uploadUrl',
    signal: AbortSignal,
    attempt: (url: string) => Promise<Outcome>,
  ): Promise<Outcome> {
    const { clock, retry } = this.parts;
    const backoff = retry();
    // A URL whose transfer broke is refused as long as the server takes that transfer to be under way.
    for (let doubts = 0; ;) {
      const order = latest();
      try {
        return await attempt(order.content[field] as string);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof TransferBroken || error instanceof UrlDead)) throw error;
        if (latest() !== order) continue;
        doubts = error instanceof UrlDead ? doubts - 1 : 3;
        const expired = clock.millis() >= (expiryOf(order, `${field}ExpiresAt`) ?? 0);
        if (expired || doubts < 0) return { kind: 'later', reason: error.message };
        await backoff.wait(signal);
      }
    }
  }

  /** Answers null once the blob is in its place, else why it is not. */
  private async download(
    url: string,
    target: Target,
    size: number,
    sha256: string,
    signal: AbortSignal,
  ): Promise<Outcome | null> {
    const { store, keys } = this.parts;
    const response = await startDownload(url, signal);
    const stated = response.headers['content-length'];
    if (stated !== undefined && Number(stated) !== sealedStreamLength(size)) {
      response.destroy();
      return mismatch;
    }
    const meter = new Sha256Meter();
    // What a pipeline rejects with is not always what broke it.
    let cause: unknown;
    const note = (error: unknown): never => {
      cause ??= error;
      throw error;
    };
    const wanted = async function* (sealed: AsyncIterable<Uint8Array>) {
      for await (const piece of sealed) {
        if (meter.size > size) return;
        yield piece;
      }
    };
    let draft: Draft | undefined;
    let placed = false;
    try {
      draft = await store.draft(target.objectId, target.version).catch(note);
      const { fill, sealer } = draft;
      const opener = openStreamFrom([keys.exchange]);
      opener.once('error', (error) => (cause ??= error));
      await pipeline(response, opener, meter, sealer, (sealed) => fill(wanted(sealed)).catch(note));
      if (meter.size !== size || meter.hex() !== sha256) return mismatch;
      await draft.commit().catch(note);
      placed = true;
      return null;
    } catch (error) {
      if (meter.size > size) return mismatch;
      if (cause instanceof NotWritten) return this.writeFailed(cause);
      if (cause instanceof SealError) return refused('device.unseal_failed', 'the payload cannot be opened');
      throw new TransferBroken(reasonOf(error), false, { cause: error });
    } finally {
      response.destroy();
      if (!placed) await draft?.discard();
    }
  }

  /**
   * Sends a blob to the server and answers the digest of what it sent; `answered` is false when everything was sent and
   * no answer came. Throws `SealError` for a damaged blob.
   */
  private async upload(
    url: string,
    { objectId, version }: Target,
    size: number,
    known: Holding | null,
    signal: AbortSignal,
  ): Promise<{ sha256: string; answered: boolean }> {
    const { store, cabPublicKey } = this.parts;
    const blob = await store.stream(objectId, version);
    if (!blob) throw new SealError();
    // What the ledger lists was digested when it came, and opens only if it is the same.
    const meter = known?.size === size ? null : new Sha256Meter();
    const digest = (): string => known?.sha256 ?? meter?.hex() ?? '';
    let damage: unknown;
    for (const stage of [blob.sealed, blob.opener]) stage.once('error', (error) => (damage ??= error));
    let sentAll = false;
    const sealer = sealStreamTo(cabPublicKey.raw).once('end', () => (sentAll = true));
    const stages: (NodeJS.ReadableStream | NodeJS.WritableStream)[] = [blob.sealed, blob.opener];
    if (meter) stages.push(meter);
    try {
      await upload(url, sealedStreamLength(size), signal, (request: ClientRequest) =>
        pipeline([...stages, sealer, request]),
      );
      return { sha256: digest(), answered: true };
    } catch (error) {
      blob.sealed.destroy();
      if (isDamage(damage)) throw damage;
      if (error instanceof TransferBroken && !error.answered && sentAll) return { sha256: digest(), answered: false };
      if (error instanceof UrlDead || error instanceof TransferBroken) throw error;
      throw new TransferBroken(reasonOf(error), false, { cause: error });
    }
  }

  private async isIntact({ objectId, version }: Target, size: number, sha256: string): Promise<boolean> {
    const { store, ledger } = this.parts;
    const held = ledger.find(objectId, version);
    if (held?.size !== size || held.sha256 !== sha256) return false;
    try {
      const blob = await store.stream(objectId, version);
      if (!blob) return false;
      const meter = new Sha256Meter();
      await pipeline(blob.sealed, blob.opener, meter, drain);
      return meter.size === size && meter.hex() === sha256;
    } catch {
      return false;
    }
  }

  private writeFailed(error: unknown): Outcome {
    this.parts.log('write-failed', { reason: reasonOf(error instanceof NotWritten ? error.cause : error) });
    return notStored;
  }
}

/** Reads a stream to nowhere: for those that only count. */
async function drain(source: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of source) void chunk;
}

function isDamage(error: unknown): boolean {
  return error instanceof SealError || (error as NodeJS.ErrnoException | undefined)?.code === 'EIO';
}

const mismatch = refused('storage.digest_mismatch', 'the bytes do not match size and sha256');

function targetOf({ objectId, version }: Order['content']): Target | null {
  return isObjectId(objectId) && isVersion(version) ? { objectId, version } : null;
}

function isObjectId(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{32}$/.test(value);
}

function isVersion(value: unknown): value is number {
  return isCount(value) && value >= 1 && value <= 0xffff_ffff;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isUrl(value: unknown): value is string {
  return typeof value === 'string' && URL.canParse(value) && ['http:', 'https:'].includes(new URL(value).protocol);
}

/** Milliseconds since 1970, or null if it is no time. */
function expiryOf({ content }: Order, field: string): number | null {
  const at = content[field];
  const millis = typeof at === 'string' ? millisOf(at) : Number.NaN;
  return Number.isNaN(millis) ? null : millis;
}

function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return code ?? (error instanceof Error ? error.message : 'unknown');
}
