import type {
  CommandAccepted,
  CommandStatus,
  DataReady,
  Exchanged,
  List,
  ListedToken,
  RegisteredKey,
  TemporaryToken,
  TokenItem,
} from './answers';
import { type Answer, answerOf, type Api, type Fields, pause, send } from './api';
import { openForToken, type Place, sealForToken } from './application-layer';
import { abandon, type ByteSource, bytesOf, piecesOf, streamOf } from './byte-source';
import type { Channel, ChannelMessage } from './channel';
import { SealError } from './cobblestone';
import { Commands, HELD } from './commands';
import { type ProfileKeys } from './profile-keys';
import { Refused, Unreachable } from './refused';
import { openMeta, type SealedMeta, sealMeta } from './sealed-meta';
import { KeysMissing, RolledBack } from './session-errors';
import type {
  CipherChoice,
  CommandOptions,
  Fetched,
  FetchOptions,
  ListOptions,
  Outcome,
  Stored,
  StoreOptions,
  TokenFilters,
  UpdateOptions,
} from './session-options';
import { authenticatorsOf, devicesOf, policiesOf, storageOf, votingOf } from './session-rows';

/** Inline payloads (row 25) hold at most this many bytes. */
const INLINE = 262_144;

/** Milliseconds in which a write ends one way or the other, and between two looks at it. */
const LOST_MS = 70_000;
const LOOK_AGAIN_MS = 500;

/** The most that a page holds. */
const EVERY = 100;

const FILTERS = {
  context: 'filters[context]',
  fileName: 'filters[meta.file.fileName]',
  extension: 'filters[meta.file.extension]',
  type: 'filters[meta.data.type]',
  token: 'filters[token]',
  status: 'filters[status]',
} as const satisfies Record<keyof TokenFilters, string>;

/**
 * A signed-in profile. Commands resolve when they are final and reject with `Refused`; nothing else about them needs
 * to be known. Close the session when it is done with: its WebSocket would keep a Node process alive.
 */
export class Session {
  /** Highest versions seen, by data token: the floor below which `fetch` refuses. */
  private readonly versions = new Map<string, number>();
  private owner: Promise<string> | null = null;
  private readonly commands: Commands;

  /** Made by `connect`. */
  constructor(
    private readonly api: Api,
    /** The authorization token, to be kept for a later `connect`; null before a profile exists. */
    readonly token: string | null,
    private readonly channel: Channel | null,
    private keys: ProfileKeys | null,
    private readonly cipher: CipherChoice = () => undefined,
  ) {
    this.commands = new Commands(api, channel);
  }

  close(): void {
    this.channel?.close();
  }

  /** Gives the session the profile's keys. */
  useKeys(keys: ProfileKeys): void {
    this.keys = keys;
  }

  /** Hears every message of the channel; returns the way to stop. Without a channel nothing is heard. */
  listen(listener: (message: ChannelMessage) => void): () => void {
    return this.channel?.listen(listener) ?? (() => undefined);
  }

  /** One synchronous row by GET. Throws `Refused` or `Unreachable`. */
  async query<T>(path: string, query?: Fields, signal?: AbortSignal): Promise<T> {
    return (await this.api.get<T>(path, { query, signal })).body;
  }

  /** One synchronous row by POST. */
  async call<T>(path: string, fields?: Fields, signal?: AbortSignal): Promise<T> {
    return (await this.api.post<T>(path, { fields, signal })).body;
  }

  /**
   * Gives a command and waits until it is final, over the call itself, the WebSocket, or the command's status,
   * whichever speaks first. A broken connection repeats the call under the same idempotency key.
   */
  command<T = unknown>(path: string, fields: Fields = {}, options: CommandOptions = {}): Promise<Outcome<T>> {
    return this.commands.command<T>(path, fields, options);
  }

  /** The status of a command (row 2). */
  status(
    commandId: string,
    options: { readonly wait?: number; readonly signal?: AbortSignal } = {},
  ): Promise<CommandStatus> {
    return this.commands.status(commandId, options);
  }

  /** Waits for a command that was given earlier, perhaps by another process. */
  outcome<T = unknown>(commandId: string, options: Omit<CommandOptions, 'idempotencyKey'> = {}): Promise<Outcome<T>> {
    return this.commands.outcome<T>(commandId, options);
  }

  /**
   * Exchanges bytes for a data token: sealed for this profile while they pass, in constant memory at any size.
   * Throws `KeysMissing`, `Refused`, `Unreachable`.
   */
  async store(source: ByteSource, options: StoreOptions = {}): Promise<Stored> {
    try {
      return await this.storeNow(source, options);
    } catch (error) {
      await abandon(source);
      throw error;
    }
  }

  /**
   * Requests the bytes of a token and opens them. Rejects, before any byte is given out, with `SealError` for bytes
   * that are not an envelope which this profile sealed for this token, and with `RolledBack` for an older version.
   */
  async fetch(token: string, options: FetchOptions = {}): Promise<Fetched> {
    const { signal, raw = false } = options;
    if (!raw && !this.keys) throw new KeysMissing();
    const ready = await this.command<DataReady>('/data-token/request-data', { token }, { signal });
    const response = await send(ready.body.downloadUrl, { redirect: 'error', ...(signal ? { signal } : {}) });
    if (!response.ok || !response.body) throw await answerOf(response).then(() => new Unreachable('an empty answer'));
    const source = response.body as ReadableStream<Uint8Array>;
    const counted = (stream: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> =>
      options.onProgress
        ? streamOf(watched(piecesOf(stream), { bytes: 0, ended: false, failure: null }, options.onProgress), stream)
        : stream;
    if (raw) return { stream: counted(source), version: null, size: ready.body.size };

    const length = Number(response.headers.get('content-length') ?? ready.body.size);
    const place = { token, profileId: await this.profileId() };
    const opened = await openForToken(this.keys!, place, source, length, await this.cipher(length));
    const floor = Math.max(options.atLeast ?? 0, this.versions.get(token) ?? 0);
    if (opened.version < floor) {
      await opened.stream.cancel();
      throw new RolledBack(opened.version, floor);
    }
    this.versions.set(token, opened.version);
    return { ...opened, stream: counted(opened.stream) };
  }

  /**
   * One page of the profile's data tokens, with what is sealed opened; a trailing `*` in context and fileName makes a
   * prefix of it. The server cannot filter by what is sealed: where the session has keys, it asks for all tokens then
   * and filters by file name, extension and type itself, whether they are sealed or in the clear.
   */
  async list(filters: TokenFilters = {}, page: ListOptions = {}, signal?: AbortSignal): Promise<List<ListedToken>> {
    const { fileName, extension, type, ...known } = filters;
    const own = { fileName, extension, type };
    if (!this.keys || Object.values(own).every((value) => value === undefined)) {
      const answer = await this.listPlain(filters, page, signal);
      return { ...answer, items: await Promise.all(answer.items.map((item) => this.opened(item))) };
    }
    const found: ListedToken[] = [];
    for (let next = 1; ; next++) {
      const { items, meta } = await this.listPlain(known, { page: next, perPage: EVERY }, signal);
      for (const item of await Promise.all(items.map((each) => this.opened(each)))) {
        if (isDescribed(item, own)) found.push(item);
      }
      if (items.length < EVERY || next * EVERY >= meta.count) break;
    }
    const { page: number = 1, perPage = 25 } = page;
    const first = (number - 1) * perPage;
    return { items: found.slice(first, first + perPage), meta: { count: found.length, page: number, perPage } };
  }

  private async opened(item: TokenItem): Promise<ListedToken> {
    const text = item.meta.data?.['sealed'];
    if (!this.keys || typeof text !== 'string') return { ...item, sealed: null };
    const place = { token: item.token, profileId: await this.profileId() };
    try {
      return { ...item, sealed: (await openMeta(this.keys, place, text)).meta };
    } catch (error) {
      // One description that cannot be opened is not the end of the list.
      if (error instanceof SealError || error instanceof SyntaxError) return { ...item, sealed: null };
      throw error;
    }
  }

  /** Gives a token new data under its next version, a new description, or both (row 32). */
  async update(token: string, options: UpdateOptions): Promise<{ readonly token: string; readonly version: number }> {
    const { data, describe, plainMeta = false, raw = false, context, signal } = options;
    const seals = (data !== undefined && !raw) || (describe !== undefined && !plainMeta);
    if (seals && !this.keys) throw new KeysMissing();
    const place = { token, profileId: seals ? await this.profileId() : '' };
    const held = seals ? await this.versionOf(token, signal) : 0;
    const version = data === undefined ? held : held + 1;
    const payload =
      data === undefined || raw
        ? data
        : await bytesOf(await sealForToken(this.keys!, place, version, streamOf(piecesOf(data), data)));
    const fields = {
      dataToken: token,
      context,
      data: payload && base64(payload),
      meta: await this.metaOf(place, version, options),
    };
    const { body } = await this.command<{ token: string; version: number }>('/data-token/update-data', fields, {
      signal,
    });
    if (data !== undefined) this.versions.set(token, raw ? body.version : version);
    return body;
  }

  /** The last version of a token that this session has seen, or that the server says it has. */
  private async versionOf(token: string, signal?: AbortSignal): Promise<number> {
    const [item] = (await this.listPlain({ token }, {}, signal)).items;
    return Math.max(this.versions.get(token) ?? 0, item?.version ?? 0);
  }

  private async metaOf(place: Place, version: number, options: UpdateOptions): Promise<Fields | undefined> {
    const { describe, plainMeta = false, meta } = options;
    if (!describe) return meta;
    if (plainMeta) return { ...plainSections(describe), ...meta };
    return {
      ...meta,
      data: { ...(meta?.['data'] as object), sealed: await sealMeta(this.keys!, place, version, describe) },
    };
  }

  private listPlain(filters: TokenFilters, page: ListOptions, signal?: AbortSignal): Promise<List<TokenItem>> {
    const named = Object.entries(filters).map(([name, value]) => [FILTERS[name as keyof TokenFilters], value]);
    return this.query('/data-token/list-data-tokens', { ...Object.fromEntries(named), ...page }, signal);
  }

  /** The same as `delete`. */
  remove(token: string, options: CommandOptions = {}): Promise<void> {
    return this.delete(token, options);
  }

  /** Deletes a token and the key of its data. */
  async delete(token: string, options: CommandOptions = {}): Promise<void> {
    await this.command('/data-token/delete-data', { token }, options);
    this.versions.delete(token);
  }

  /** The profile's id (row 5). */
  profileId(): Promise<string> {
    const asked = (this.owner ??= this.query<{ profileId: string }>('/profile/retrieve-profile-id').then(
      ({ profileId }) => profileId,
    ));
    asked.catch(() => (this.owner = null));
    return asked;
  }

  /** When the authorization token ends (row 10). */
  async expiresAt(): Promise<string> {
    return (await this.call<{ expiresAt: string }>('/profile/authorization-token/expiry')).expiresAt;
  }

  /** Ends the authorization token of this session (row 9). */
  async signOut(): Promise<void> {
    await this.call('/profile/revoke-authorization-token');
    this.close();
  }

  /** Registers public and signing key of the profile and uses the keys from now on (row 20). */
  async registerKeys(keys: ProfileKeys, options: CommandOptions = {}): Promise<{ readonly fingerprint: string }> {
    const { publicKey, signingKey } = keys;
    const { body } = await this.command<{ fingerprint: string }>(
      '/public-key/register-public-key',
      { publicKey, signingKey },
      options,
    );
    this.keys = keys;
    return body;
  }

  /** The registered key of the profile or of one of its devices (row 21); null where there is none. */
  async registeredKey(deviceIdentifier?: string): Promise<RegisteredKey | null> {
    try {
      return await this.query<RegisteredKey>('/public-key/retrieve-public-key', { deviceIdentifier });
    } catch (error) {
      if (error instanceof Refused && error.key === 'public_key.not_registered') return null;
      throw error;
    }
  }

  readonly devices = devicesOf(this);
  readonly storage = storageOf(this);
  readonly authenticators = authenticatorsOf(this);
  /** How votes of this profile are held (rows 49 to 58, 86, 87). */
  readonly voting = votingOf(this);
  readonly policies = policiesOf(this);

  private async storeNow(source: ByteSource, options: StoreOptions): Promise<Stored> {
    const { signal, raw = false, ttl, describe, plainMeta = false } = options;
    const sealsMeta = describe !== undefined && !plainMeta;
    if ((!raw || sealsMeta) && !this.keys) throw new KeysMissing();
    const meta = describe && plainMeta ? { ...plainSections(describe), ...options.meta } : options.meta;
    const read: Watched = { bytes: 0, ended: false, failure: null };
    const plain = streamOf(watched(piecesOf(source), read, options.onProgress), source);

    const reserved = await this.command(
      '/data-token/reserve-token-space',
      { context: options.context ?? 'sealed', ttl, meta },
      { signal },
    );
    const { token, stream } = await this.query<TemporaryToken>(
      `/data-token/retrieve-temporary-data-token/${reserved.commandId}`,
      {},
      signal,
    );
    const payload = raw
      ? plain
      : await sealForToken(this.keys!, { token, profileId: await this.profileId() }, 1, plain, {
          padTo: options.padTo,
          cipher: await this.cipher(source instanceof Uint8Array ? source.length : (options.padTo ?? null)),
        });
    try {
      const answer = await this.exchange(token, stream, payload, source, signal);
      await this.commands.settle<Exchanged>(answer, { signal });
    } catch (error) {
      // A source that failed breaks the upload off; what the caller wants to know is why it failed.
      if (read.failure) throw read.failure.error;
      if (!(error instanceof Unreachable && read.ended && (await this.becamePermanent(token, signal)))) throw error;
    }
    this.versions.set(token, 1);
    const stored = { token, version: 1, size: read.bytes };
    return sealsMeta ? { ...stored, described: await this.describe(token, describe, options) } : stored;
  }

  /** The data is stored by now: whatever becomes of its description, its token must not be lost. */
  private async describe(token: string, describe: SealedMeta, { meta, signal }: StoreOptions): Promise<boolean> {
    try {
      const place = { token, profileId: await this.profileId() };
      const { data } = { data: {}, ...meta };
      const sealed = await sealMeta(this.keys!, place, 1, describe);
      const fields = { dataToken: token, meta: { data: { ...data, sealed } } };
      await this.command('/data-token/update-data', fields, { signal });
      return true;
    } catch (error) {
      if (error instanceof Refused || error instanceof Unreachable) return false;
      throw error;
    }
  }

  /** Small payloads inline, in one call that can be repeated; others by the upload URL, in a stream that cannot. */
  private async exchange(
    token: string,
    uploadUrl: string,
    payload: ReadableStream<Uint8Array>,
    source: ByteSource,
    signal?: AbortSignal,
  ): Promise<Answer<CommandAccepted | CommandStatus>> {
    const inMemory = source instanceof Uint8Array && source.length < INLINE ? await bytesOf(payload) : null;
    if (inMemory && inMemory.length <= INLINE) {
      const fields = { temporaryTokenSpace: token, data: base64(inMemory) };
      const idempotencyKey = globalThis.crypto.randomUUID();
      return this.api.post('/data-token/exchange-data-for-token', { fields, idempotencyKey, wait: HELD, signal });
    }
    const init: RequestInit & { duplex?: 'half' } = {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream', prefer: `wait=${HELD}` },
      // Nothing redirects in this API; and where it might, Node keeps all that has passed, to send it again.
      redirect: 'error',
    };
    if (inMemory) init.body = inMemory;
    else if (streamsUploads()) Object.assign(init, { body: payload, duplex: 'half' });
    else init.body = await new Response(payload).blob();
    if (signal) init.signal = signal;
    return answerOf(await send(uploadUrl, init));
  }

  /**
   * Whether an upload whose last byte went out, but whose answer was lost, has led to anything: it cannot be repeated,
   * and which command it became was in the answer.
   */
  private async becamePermanent(token: string, signal?: AbortSignal): Promise<boolean> {
    const until = Date.now() + LOST_MS;
    for (;;) {
      try {
        const [item] = (await this.listPlain({ token }, {}, signal)).items;
        if (item?.status !== 'temporary') return item !== undefined;
      } catch (error) {
        if (!(error instanceof Unreachable)) throw error;
      }
      if (Date.now() > until) return false;
      await pause(LOOK_AGAIN_MS, signal);
    }
  }
}

/** The description as the sections that the server knows. */
function plainSections({ fileName, extension, size, path, type, fields }: SealedMeta): Fields {
  const file = { fileName, extension, size, path };
  const data = { type, ...fields };
  const given = (section: object) => Object.values(section).some((value) => value !== undefined);
  return { ...(given(file) ? { file } : {}), ...(given(data) ? { data } : {}) };
}

/** As the server filters: exact, a trailing `*` in the file name makes a prefix of it. */
function isDescribed(
  { sealed, meta }: ListedToken,
  { fileName, extension, type }: Pick<TokenFilters, 'fileName' | 'extension' | 'type'>,
): boolean {
  const name = sealed?.fileName ?? meta.file?.fileName;
  const named = fileName?.endsWith('*') ? name?.startsWith(fileName.slice(0, -1)) === true : name === fileName;
  return (
    (fileName === undefined || named) &&
    (extension === undefined || (sealed?.extension ?? meta.file?.extension) === extension) &&
    (type === undefined || (sealed?.type ?? meta.data?.['type']) === type)
  );
}

/** What is known of a source that is being read. */
interface Watched {
  bytes: number;
  ended: boolean;
  failure: { readonly error: unknown } | null;
}

/** Counts what passes, and keeps how it ended. */
async function* watched(
  pieces: AsyncGenerator<Uint8Array>,
  seen: Watched,
  onProgress?: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of pieces) {
      seen.bytes += piece.length;
      onProgress?.(seen.bytes);
      yield piece;
    }
    seen.ended = true;
  } catch (error) {
    seen.failure = { error };
    throw error;
  }
}

/** Browsers send streams over HTTP/2 alone, so there the sealed bytes are gathered first. */
function streamsUploads(): boolean {
  const { process } = globalThis as { process?: { versions?: { node?: string } } };
  return process?.versions?.node !== undefined;
}

function base64(bytes: Uint8Array): string {
  let text = '';
  // In slices, because one call takes a limited number of arguments.
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}
