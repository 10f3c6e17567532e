import type {
  AuthenticatorItem,
  Authorization,
  CommandAccepted,
  CommandStatus,
  DataReady,
  DeviceConfiguration,
  DeviceItem,
  DeviceLogin,
  Exchanged,
  List,
  ListedToken,
  PolicyItem,
  PolicyTemplate,
  Pool,
  RegisteredKey,
  ServerKey,
  StorageItem,
  TemporaryToken,
  TokenItem,
  VotingConfiguration,
  VotingSettings,
} from './answers';
import { type Answer, answerOf, Api, type CallOptions, type Fields, pause, send } from './api';
import { type BodyCipher, openForToken, type Place, sealForToken } from './application-layer';
import { abandon, type ByteSource, bytesOf, piecesOf, streamOf } from './byte-source';
import { Channel, type ChannelMessage, type WebSocketClass } from './channel';
import { SealError } from './cobblestone';
import { fingerprintOf, type ProfileKeys } from './profile-keys';
import { Refused, TimedOut, Unreachable } from './refused';
import { openMeta, type SealedMeta, sealMeta } from './sealed-meta';

/** Inline payloads (row 25) hold at most this many bytes. */
const INLINE = 262_144;
/** Seconds for which a call is held open: an answer in this time costs no second message. */
const HELD = 10;
/** Seconds for which a status is asked at one go while no channel is joined: the most that the server allows. */
const POLL = 30;
/** Milliseconds after which a quiet channel is doubted and the command's status is asked. */
const QUIET_MS = 30_000;

/** Milliseconds in which a write ends one way or the other, and between two looks at it. */
const LOST_MS = 70_000;
const LOOK_AGAIN_MS = 500;

/** The server's key is not the one that this client knows: somebody may be between. */
export class PinMismatch extends Error {
  override readonly name = 'PinMismatch';

  constructor(
    readonly expected: string,
    readonly actual: string,
  ) {
    super(`the server's key has the fingerprint ${actual}, expected was ${expected}`);
  }
}

/** The server gave an older version than the caller, or this session, has seen already. */
export class RolledBack extends Error {
  override readonly name = 'RolledBack';

  constructor(
    readonly version: number,
    readonly expected: number,
  ) {
    super(`the server gave version ${version} of the data, at least ${expected} was expected`);
  }
}

/** Sealing and opening need the profile's keys, and the session has none. */
export class KeysMissing extends Error {
  override readonly name = 'KeysMissing';

  constructor() {
    super('this session has no keys of the profile');
  }
}

export interface Origin {
  /** The server's origin, for example `http://127.0.0.1:8009`. */
  readonly url: string;
  /** The client WebSocket, where it is not `/ws` on the same origin. */
  readonly webSocketUrl?: string | undefined;
  /** The class to use where there is no global WebSocket (Node 20); without any, the session polls. */
  readonly webSocket?: WebSocketClass | undefined;
  /** False: no WebSocket at all, for a session that only asks; commands are waited for by holding calls. */
  readonly channel?: boolean | undefined;
  /** Fingerprint of the server's public key as this client knows it. Another key is refused with `PinMismatch`. */
  readonly pin?: string | undefined;
  /** How the program calls itself: people who vote on what it asks for are shown it. A browser puts its own name. */
  readonly userAgent?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type Credentials = { readonly token: string } | { readonly username: string; readonly password: string };

export type CipherChoice = (bytes: number | null) => BodyCipher | undefined | Promise<BodyCipher | undefined>;

export type ConnectOptions = Origin &
  Credentials & {
    /** The profile's keys, for `store` and `fetch`. */
    readonly keys?: ProfileKeys | undefined;
    /** Asked before each body of so many bytes (null: not known) for what shall seal or open it instead of WebCrypto. */
    readonly cipher?: CipherChoice | undefined;
  };

export interface CommandOptions {
  /** A key of the caller's own, to repeat a command across restarts; else one is made. */
  readonly idempotencyKey?: string | undefined;
  /** Seconds until `TimedOut`; without it, as long as it takes. The command itself goes on. */
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A command that has succeeded. */
export interface Outcome<T = unknown> {
  readonly commandId: string;
  readonly body: T;
  readonly poolId: string | null;
}

export interface StoreOptions {
  /** Text of 1 to 255 characters, seen by the server; default `sealed`. */
  readonly context?: string | undefined;
  /** Minutes (1 to 60) for which the reservation lives until the upload begins. */
  readonly ttl?: number | undefined;
  /** Token meta in the clear: `file`, `data`, `information_security_risk`. */
  readonly meta?: Fields | undefined;
  /** Describes the data: sealed for this profile, or with `plainMeta` in the clear, where the server can filter by it. */
  readonly describe?: SealedMeta | undefined;
  readonly plainMeta?: boolean | undefined;
  /** Hands the bytes over as they are, unsealed. */
  readonly raw?: boolean | undefined;
  /** Length of the source in bytes; hides it by padding the envelope (at most 12 % more). */
  readonly padTo?: number | undefined;
  /** Called with the bytes of the source that went out so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Stored {
  readonly token: string;
  readonly version: number;
  /** Bytes of the source. */
  readonly size: number;
  /** Where a description was to be sealed. False: the data is stored, the description is not; `update` stores it later. */
  readonly described?: boolean;
}

export interface UpdateOptions {
  /** Up to 262,144 bytes, sealed; what is larger needs a token of its own. Without it the data stays. */
  readonly data?: Uint8Array | undefined;
  readonly describe?: SealedMeta | undefined;
  readonly plainMeta?: boolean | undefined;
  /** Sections in the clear, each of which replaces the token's. */
  readonly meta?: Fields | undefined;
  readonly context?: string | undefined;
  /** Hands the data over as it is. */
  readonly raw?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface FetchOptions {
  /** Refuse any version below this one with `RolledBack`. */
  readonly atLeast?: number | undefined;
  /** Take the bytes as the server gives them, sealed or not. */
  readonly raw?: boolean | undefined;
  /** Called with the bytes that came out so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Fetched {
  /** Provisional until it has ended well: it errors with `SealError` when the rest is damaged or missing. */
  readonly stream: ReadableStream<Uint8Array>;
  /** The writer's version, signed by it; null with `raw`. */
  readonly version: number | null;
  /** Bytes of the stream, where they are known from the start. */
  readonly size: number | null;
}

export interface ListOptions {
  readonly page?: number | undefined;
  readonly perPage?: number | undefined;
}

export interface TokenFilters {
  readonly context?: string | undefined;
  readonly fileName?: string | undefined;
  readonly extension?: string | undefined;
  readonly type?: string | undefined;
  readonly token?: string | undefined;
  readonly status?: 'temporary' | 'permanent' | undefined;
}

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

/** Signs in (or takes a token), checks the pin, and joins the channel before any command is given. */
export async function connect(options: ConnectOptions): Promise<Session> {
  const anonymous = new Api(options.url, null, options.userAgent);
  if (options.pin !== undefined) await checkPin(anonymous, options.pin, options.signal);
  const token =
    'token' in options
      ? options.token
      : (await signIn(anonymous, options.username, options.password, options.signal)).authorizationToken;
  const channel = channelFor(options, token);
  await channel?.open();
  return new Session(
    anonymous.withToken(token),
    token,
    channel,
    options.keys ?? null,
    options.cipher ?? (() => undefined),
  );
}

/** Registers a new profile (row 3). Throws `Refused`, for example with `profile.username_taken`. */
export async function registerProfile(
  options: Origin & { readonly username: string; readonly password: string },
): Promise<{ readonly profileId: string }> {
  const api = new Api(options.url, null, options.userAgent);
  if (options.pin !== undefined) await checkPin(api, options.pin, options.signal);
  const { username, password, signal } = options;
  const outcome = await new Session(api, null, null, null).command<{ profileId: string }>(
    '/profile/register-profile',
    { username, password },
    { signal },
  );
  return outcome.body;
}

/** The server's public key and its fingerprint (row 22), for comparison by people and for pinning. */
export async function serverKey(
  origin: Pick<Origin, 'url' | 'signal'>,
): Promise<ServerKey & { readonly fingerprint: string }> {
  return serverKeyOf(new Api(origin.url, null), origin.signal);
}

async function serverKeyOf(api: Api, signal?: AbortSignal): Promise<ServerKey & { readonly fingerprint: string }> {
  const { body } = await api.get<ServerKey>('/dptcab/public-key', { signal });
  return { ...body, fingerprint: await fingerprintOf(body.publicKey) };
}

async function checkPin(api: Api, pin: string, signal?: AbortSignal): Promise<void> {
  const { fingerprint } = await serverKeyOf(api, signal);
  if (fingerprint !== pin.toLowerCase()) throw new PinMismatch(pin.toLowerCase(), fingerprint);
}

/** Row 4. Under a login policy the answer is a command; the call is repeated with its id once it is final. */
async function signIn(api: Api, username: string, password: string, signal?: AbortSignal): Promise<Authorization> {
  let commandId: string | undefined;
  for (;;) {
    const { status, body } = await api.post<Authorization | CommandAccepted | CommandStatus>('/profile/authenticate', {
      fields: { username, password, commandId },
      wait: POLL,
      repeat: true,
      signal,
    });
    if ('authorizationToken' in body) return body;
    if (typeof body.commandId !== 'string')
      throw new Refused({ key: 'internal_error', detail: 'a login without a token', status });
    commandId = body.commandId;
    // Pending or not, the next call says: a rejection, which is a status like any other here, is its 403.
    if (status === 202) await api.get<CommandStatus>(`/request-status/${commandId}`, { wait: POLL, signal });
  }
}

function channelFor(options: Origin, token: string): Channel | null {
  const webSocket = options.webSocket ?? (globalThis as { WebSocket?: WebSocketClass }).WebSocket;
  if (!webSocket || options.channel === false) return null;
  const url = new URL(options.webSocketUrl ?? '/ws', options.url);
  url.protocol = url.protocol.replace('http', 'ws');
  return new Channel(url.href, token, webSocket);
}

/**
 * A signed-in profile. Commands resolve when they are final and reject with `Refused`; nothing else about them needs
 * to be known. Close the session when it is done with: its WebSocket would keep a Node process alive.
 */
export class Session {
  /** Highest versions seen, by data token: the floor below which `fetch` refuses. */
  private readonly versions = new Map<string, number>();
  private owner: Promise<string> | null = null;

  /** Made by `connect`. */
  constructor(
    private readonly api: Api,
    /** The authorization token, to be kept for a later `connect`; null before a profile exists. */
    readonly token: string | null,
    private readonly channel: Channel | null,
    private keys: ProfileKeys | null,
    private readonly cipher: CipherChoice = () => undefined,
  ) {}

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
  async command<T = unknown>(path: string, fields: Fields = {}, options: CommandOptions = {}): Promise<Outcome<T>> {
    const call: CallOptions = {
      fields,
      idempotencyKey: options.idempotencyKey ?? globalThis.crypto.randomUUID(),
      wait: Math.floor(Math.min(options.timeout ?? HELD, HELD)),
      signal: options.signal,
    };
    return this.settle<T>(await this.api.post(path, call), options);
  }

  /** The status of a command (row 2). */
  status(
    commandId: string,
    options: { readonly wait?: number; readonly signal?: AbortSignal } = {},
  ): Promise<CommandStatus> {
    return this.api.get<CommandStatus>(statusPath(commandId), options).then(({ body }) => body);
  }

  /** Waits for a command that was given earlier, perhaps by another process. */
  async outcome<T = unknown>(
    commandId: string,
    options: Omit<CommandOptions, 'idempotencyKey'> = {},
  ): Promise<Outcome<T>> {
    return this.settle<T>(await this.api.get(statusPath(commandId), { signal: options.signal }), options);
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

  readonly devices = {
    /** Row 35: the commandId is what `login` takes. */
    add: (deviceName: string, options?: CommandOptions): Promise<Outcome<{ readonly deviceIdentifier: string }>> =>
      this.command('/device/request-unique-identifier', { deviceName }, options),
    /** Row 36: the device's own login is in the first answer only. */
    login: (commandId: string): Promise<DeviceLogin> =>
      this.call('/device/retrieve-unique-identifier', { id: commandId }),
    list: (
      filter: { readonly status?: DeviceItem['status'] | undefined } = {},
      page: ListOptions = {},
    ): Promise<List<DeviceItem>> => this.query('/device/retrieve-profile-devices', { ...filter, ...page }),
    approve: (deviceIdentifier: string, options?: CommandOptions): Promise<Outcome> =>
      this.command('/device/approve-device', { deviceIdentifier }, options),
    reject: (deviceIdentifier: string, options?: CommandOptions): Promise<Outcome> =>
      this.command('/device/reject-device', { deviceIdentifier }, options),
    /** Row 41: the secrets are in the first answer only, unless `rotate` makes new ones. */
    configuration: (deviceIdentifier: string, rotate = false): Promise<DeviceConfiguration> =>
      this.query(
        `/device/retrieve-device-configuration/${encodeURIComponent(deviceIdentifier)}`,
        rotate ? { rotate } : {},
      ),
  };

  readonly storage = {
    /** Row 43: the device must be approved and have registered its key. */
    register: (deviceIdentifier: string, options?: CommandOptions): Promise<Outcome> =>
      this.command('/storage/register', { deviceIdentifier }, options),
    list: (page: ListOptions = {}): Promise<List<StorageItem>> =>
      this.query('/storage/list-storage-devices', { ...page }),
  };

  readonly authenticators = {
    /** Row 47: the device must be approved and have registered its key. */
    register: (deviceIdentifier: string, options?: CommandOptions): Promise<Outcome> =>
      this.command('/verified-authenticator/register', { deviceIdentifier }, options),
    remove: (deviceIdentifier: string, options?: CommandOptions): Promise<Outcome> =>
      this.command('/verified-authenticator/remove', { deviceIdentifier }, options),
    list: (page: ListOptions = {}): Promise<List<AuthenticatorItem>> =>
      this.query('/verified-authenticator/list-verified-authenticators', { ...page }),
  };

  /** How votes of this profile are held (rows 49 to 58, 86, 87). */
  readonly voting = {
    settings: (): Promise<VotingSettings> => this.query('/verified-authenticator/retrieve-strategy'),
    setQuorum: (quorumSize: number, options?: CommandOptions): Promise<Outcome> =>
      this.command('/verified-authenticator/set-quorum-size', { quorumSize }, options),
    setStrategy: (strategy: string, params?: string, options?: CommandOptions): Promise<Outcome> =>
      this.command('/verified-authenticator/set-quorum-strategy', { strategy, strategy_params: params }, options),
    setTimeLimit: (timeLimit: number, options?: CommandOptions): Promise<Outcome> =>
      this.command('/verified-authenticator/set-voting-time-limit', { timeLimit }, options),
    setAttempts: (numberOfAttempts: number, options?: CommandOptions): Promise<Outcome> =>
      this.command('/verified-authenticator/set-maximum-voting-attempts', { numberOfAttempts }, options),
    /** Fields of row 55. */
    configure: (fields: Fields, options?: CommandOptions): Promise<Outcome<{ id: string; name: string }>> =>
      this.command('/verified-authenticator/voting-configuration/register', fields, options),
    /** `name` or `id`, and the fields of row 55 that change. */
    reconfigure: (fields: Fields, options?: CommandOptions): Promise<Outcome<{ id: string; name: string }>> =>
      this.command('/verified-authenticator/voting-configuration/update', fields, options),
    configurations: (page: ListOptions = {}): Promise<List<VotingConfiguration>> =>
      this.query('/verified-authenticator/voting-configuration/list', { ...page }),
    removeConfiguration: (name: string, options?: CommandOptions): Promise<Outcome<{ id: string; name: string }>> =>
      this.command('/verified-authenticator/voting-configuration/delete', { name }, options),
    /** Puts a question to the authenticators; resolves once their ballots are out. */
    ask: (
      question: { readonly votingConfigurationId: string; readonly title: string; readonly question: string },
      options?: CommandOptions,
    ): Promise<Outcome<{ poolId: string }>> => this.command('/voting/create', { ...question }, options),
    pool: (poolId: string): Promise<Pool> => this.query(`/voting/check-pool-status/${encodeURIComponent(poolId)}`),
    cancel: (poolId: string, options?: CommandOptions): Promise<Outcome<{ poolId: string }>> =>
      this.command('/voting/cancel-pool', { poolId }, options),
  };

  readonly policies = {
    templates: (): Promise<Readonly<Record<string, PolicyTemplate>>> => this.query('/policy/list-policy-templates'),
    /** Fields of row 60; the policy is inactive. */
    register: (fields: Fields, options?: CommandOptions): Promise<Outcome<{ id: string; name: string }>> =>
      this.command('/policy/register', fields, options),
    activate: (name: string, options?: CommandOptions): Promise<Outcome<{ id: string }>> =>
      this.command('/policy/activate', { name }, options),
    deactivate: (name: string, options?: CommandOptions): Promise<Outcome<{ id: string }>> =>
      this.command('/policy/deactivate', { name }, options),
    remove: (name: string, options?: CommandOptions): Promise<Outcome<{ id: string }>> =>
      this.command('/policy/delete', { name }, options),
    list: (page: ListOptions = {}): Promise<List<PolicyItem>> =>
      this.query('/policy/list-registered-policies', { ...page }),
    retrieve: (name: string): Promise<PolicyItem> => this.query(`/policy/retrieve-policy/${encodeURIComponent(name)}`),
  };

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
      await this.settle<Exchanged>(answer, { signal });
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

  private async settle<T>(answer: Answer<unknown>, options: CommandOptions): Promise<Outcome<T>> {
    const given = answer.body as CommandAccepted | CommandStatus;
    if (typeof given?.commandId !== 'string') {
      throw new Refused({ key: 'internal_error', detail: 'the answer names no command', status: answer.status });
    }
    const now = 'command_status' in given ? finalOf<T>(given) : null;
    return now ?? this.untilFinal<T>(given, options);
  }

  private async untilFinal<T>(accepted: CommandAccepted, { timeout, signal }: CommandOptions): Promise<Outcome<T>> {
    const { commandId } = accepted;
    const ending = new AbortController();
    const end = (): void => ending.abort(signal?.reason);
    if (signal?.aborted) end();
    signal?.addEventListener('abort', end, { once: true });
    const timer =
      timeout === undefined ? null : setTimeout(() => ending.abort(new TimedOut(commandId)), timeout * 1000);
    try {
      for (;;) {
        ending.signal.throwIfAborted();
        const message = await this.message(commandId, ending.signal);
        if (message) return fromMessage<T>(accepted, message);
        // The channel is not there, was lost, or is quiet: the status decides, once, and after it the channel again.
        const wait = this.channel?.joined ? 0 : POLL;
        const final = finalOf<T>(await this.statusAnyway(commandId, wait, ending.signal));
        if (final) return final;
      }
    } finally {
      if (timer) clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      ending.abort();
    }
  }

  /** The command's message, or null as soon as the channel is no longer to be relied on. */
  private async message(commandId: string, signal: AbortSignal): Promise<ChannelMessage | null> {
    if (!this.channel?.joined) return null;
    const step = new AbortController();
    const stop = (): void => step.abort(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    try {
      const quiet = pause(QUIET_MS, step.signal).catch(() => undefined);
      const lost = this.channel.stateChange(step.signal);
      return (await Promise.race([this.channel.final(commandId, step.signal), quiet, lost])) ?? null;
    } finally {
      signal.removeEventListener('abort', stop);
      step.abort();
    }
  }

  /** The status, however long the server is away: a command that was accepted becomes final. */
  private async statusAnyway(commandId: string, wait: number, signal: AbortSignal): Promise<CommandStatus> {
    for (;;) {
      try {
        return await this.status(commandId, { wait, signal });
      } catch (error) {
        signal.throwIfAborted();
        const away = error instanceof Unreachable || (error instanceof Refused && error.kind === 'unavailable');
        if (!away) throw error;
        await pause(1000, signal);
      }
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

function statusPath(commandId: string): string {
  return `/request-status/${encodeURIComponent(commandId)}`;
}

/** The outcome of a final status, null of a pending one. Throws `Refused` for a rejected command. */
function finalOf<T>(status: CommandStatus): Outcome<T> | null {
  if (status.status === 'rejected') throw rejected(status.commandId, status.reason);
  if (status.status !== 'succeeded') return null;
  return { commandId: status.commandId, body: status.body as T, poolId: status.poolId ?? null };
}

function fromMessage<T>(accepted: CommandAccepted, message: ChannelMessage): Outcome<T> {
  if (message.command_status === 3) throw rejected(accepted.commandId, message.body as string);
  return { commandId: accepted.commandId, body: message.body as T, poolId: accepted.poolId ?? null };
}

function rejected(commandId: string, reason: string | null): Refused {
  return new Refused({ key: reason ?? 'internal_error', commandId });
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
