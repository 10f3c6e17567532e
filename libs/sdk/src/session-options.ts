import type { Fields } from './api';
import type { BodyCipher } from './application-layer';
import type { WebSocketClass } from './channel';
import type { ProfileKeys } from './profile-keys';
import type { SealedMeta } from './sealed-meta';

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
