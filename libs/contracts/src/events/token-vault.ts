import type { Event } from './event';

/** Where the layer-2 key of a version is, and the first 56 bytes of its body, base64url. */
export interface DataKey {
  /** The parcel's id: names the row of the wrapped key, and the parcel while its bytes are in transit. */
  keyId: string;
  header: string;
}
/** Sections of a token's meta (API contract, section 11). */
export interface TokenMeta {
  file?: { fileName?: string; extension?: string; size?: number; path?: string } | null;
  data?: Record<string, unknown> | null;
  information_security_risk?: { classification: string; label: string; handling: string } | null;
}

/** What row 32 changes besides the data. A section given replaces that section; the short forms keep its other keys. */
export interface TokenChanges {
  meta: TokenMeta;
  fileName?: string;
  extension?: string;
  context?: string;
}

/** Stream `token-<tokenId>`. `size` counts the bytes handed in, `sha256` is taken over the L2 bytes. */
export type SpaceReserved = Event<
  'data_token.space_reserved',
  { tokenId: string; profileId: string; tokenHash: string; expiresAt: string },
  { context: string; meta: TokenMeta }
>;
export type StreamAuthIssued = Event<
  'data_token.stream_auth_issued',
  { tokenId: string; authHash: string; expiresAt: string }
>;
export type ReservationExpired = Event<'data_token.reservation_expired', { tokenId: string }>;
export type StreamReceived = Event<'data_token.stream_received', { tokenId: string; size: number; sha256: string }>;
export type DataExchanged = Event<
  'data_token.data_exchanged',
  {
    tokenId: string;
    profileId: string;
    version: number;
    size: number;
    /** Length of the L2 bytes. */
    sealedSize: number;
    sha256: string;
    via: 'inline' | 'stream';
    dataKey: DataKey;
    /** One of many in one command. */
    ofBatch?: true;
  }
>;
export type MadePermanent = Event<
  'data_token.made_permanent',
  { tokenId: string; version: number; size: number; deviceIdentifier: string }
>;
/** New bytes for a permanent token. The old version counts until `data_token.version_confirmed`. */
export type DataReplaced = Event<
  'data_token.data_replaced',
  {
    tokenId: string;
    profileId: string;
    version: number;
    size: number;
    /** Length of the L2 bytes. */
    sealedSize: number;
    sha256: string;
    dataKey: DataKey;
  },
  /** What is to change with the bytes; it does at their confirmation. */
  { changes?: TokenChanges }
>;
/** The first device has acknowledged a new version: it counts from here, and all lower ones are to be deleted. */
export type VersionConfirmed = Event<
  'data_token.version_confirmed',
  { tokenId: string; profileId: string; version: number; size: number; deviceIdentifier: string }
>;
/** Row 32 has changed sections and left the data as it was. */
export type MetaUpdated = Event<'data_token.meta_updated', { tokenId: string; profileId: string; version: number }>;
export type WriteFailed = Event<'data_token.write_failed', { tokenId: string; version: number; reason: string }>;
export type SecurityMetaConfigured = Event<
  'data_token.security_meta_configured',
  { tokenId: string },
  { classification: string; label: string; handling: string }
>;
export type FileMetaConfigured = Event<
  'data_token.file_meta_configured',
  { tokenId: string },
  /** `file`: the whole section from now on; null where there is none. `context` null: stays as it was. */
  { file: TokenMeta['file'] | null; context: string | null }
>;
export type DataMetaConfigured = Event<
  'data_token.data_meta_configured',
  { tokenId: string },
  { data: Record<string, unknown> }
>;
export type TokenDeleted = Event<'data_token.deleted', { tokenId: string; profileId: string; upToVersion: number }>;
export type TokenEvent =
  | SpaceReserved
  | StreamAuthIssued
  | ReservationExpired
  | StreamReceived
  | DataExchanged
  | MadePermanent
  | DataReplaced
  | VersionConfirmed
  | MetaUpdated
  | WriteFailed
  | SecurityMetaConfigured
  | FileMetaConfigured
  | DataMetaConfigured
  | TokenDeleted;

/** Stream `retrieval-<requestId>`: one request for data; the first device that answers honestly wins. */
export type DataRequested = Event<
  'data_token.data_requested',
  {
    tokenId: string;
    profileId: string;
    requestId: string;
    /** As a sealed stream to the profile's key. (`sealed` is where every event keeps its boxes.) */
    sealedStream: boolean;
    version: number;
    /** Bytes handed in. */
    size: number;
    sealedSize: number;
    sha256: string;
    dataKey: DataKey;
    /** One of many in one command. */
    ofBatch?: true;
  }
>;
export type DataReady = Event<
  'data_token.data_ready',
  {
    tokenId: string;
    requestId: string;
    /** 0 inline, 1 by URL. */
    outputType: 0 | 1;
    size: number;
    downloadAuthHash: string;
    expiresAt: string;
    parcelId: string;
  }
>;
export type DataDownloaded = Event<'data_token.data_downloaded', { tokenId: string; requestId: string }>;
export type RetrievalFailed = Event<
  'data_token.retrieval_failed',
  { tokenId: string; requestId: string; reason: string }
>;
export type RetrievalEvent = DataRequested | DataReady | DataDownloaded | RetrievalFailed;
