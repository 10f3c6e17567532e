import type { Event } from './event';

/** Stream `device-<deviceIdentifier>`. */
export type DeviceRegistrationRequested = Event<
  'device.registration_requested',
  {
    deviceIdentifier: string;
    ownerProfileId: string;
    clientId: string;
    /** Id of the one-off key that opens `loginOnce` in the box; the key is destroyed once the login was shown. */
    loginKeyId: string;
  },
  { deviceName: string; meta: unknown; loginOnce: string }
>;
export type IdentifierRetrieved = Event<'device.identifier_retrieved', { deviceIdentifier: string }>;
/** Only what changed is there; `changed` tells it. */
export type DeviceMetaConfigured = Event<
  'device.meta_configured',
  { deviceIdentifier: string; changed: ReadonlyArray<'deviceName' | 'meta'> },
  { deviceName?: string; meta?: object }
>;
export type DeviceApproved = Event<
  'device.approved',
  { deviceIdentifier: string; clientSecretHash: string; secretKeyId: string },
  { clientSecretOnce: string }
>;
export type DeviceRejected = Event<'device.rejected', { deviceIdentifier: string }>;
export type ConfigurationRetrieved = Event<
  'device.configuration_retrieved',
  { deviceIdentifier: string; secretsShown: boolean }
>;
export type ConfigurationRotated = Event<
  'device.configuration_rotated',
  { deviceIdentifier: string; clientSecretHash: string; secretKeyId: string },
  { clientSecretOnce: string }
>;
export type DeviceRemoved = Event<'device.removed', { deviceIdentifier: string }>;
export type MessageRejected = Event<
  'device.message_rejected',
  { deviceIdentifier: string; envelopeId: string; messageType: string; reason: string }
>;
export type StorageRegistered = Event<'storage.registered', { deviceIdentifier: string; profileId: string }>;
export type StorageRemoved = Event<'storage.removed', { deviceIdentifier: string; profileId: string }>;
export type DeviceEvent =
  | DeviceRegistrationRequested
  | IdentifierRetrieved
  | DeviceMetaConfigured
  | DeviceApproved
  | DeviceRejected
  | DeviceRemoved
  | ConfigurationRetrieved
  | ConfigurationRotated
  | MessageRejected
  | StorageRegistered
  | StorageRemoved;

/** Stream `copy-<uuidv5 of tokenId and deviceIdentifier>`: what one device holds of one token. `size` counts L2 bytes. */
export type WriteDispatched = Event<
  'storage.write_dispatched',
  { tokenId: string; version: number; deviceIdentifier: string }
>;
export type WriteAcknowledged = Event<
  'storage.write_acknowledged',
  { tokenId: string; version: number; deviceIdentifier: string; sha256: string; signed: boolean }
>;
export type DeleteDispatched = Event<
  'storage.delete_dispatched',
  { tokenId: string; upToVersion: number; deviceIdentifier: string }
>;
export type DeleteAcknowledged = Event<
  'storage.delete_acknowledged',
  { tokenId: string; upToVersion: number; deviceIdentifier: string }
>;
export type CopyEvent = WriteDispatched | WriteAcknowledged | DeleteDispatched | DeleteAcknowledged;

/** Stream `reading-<requestId>`: one request for data, put to every device that acknowledged the version. */
export type ReadDispatched = Event<
  'storage.read_dispatched',
  { tokenId: string; version: number; deviceIdentifier: string; requestId: string }
>;
/** The parcel holds the L2 bytes that the device gave and whose digest is right. */
export type ReadAnswered = Event<
  'storage.read_answered',
  { tokenId: string; version: number; deviceIdentifier: string; requestId: string; size: number; parcelId: string }
>;
export type ReadFailed = Event<
  'storage.read_failed',
  { tokenId: string; version: number; deviceIdentifier: string; requestId: string; reason: 'not_found' | 'corrupt' }
>;
/** Nothing usable came: the reason key of the waiting command. */
export type ReadingFailed = Event<'storage.reading_failed', { requestId: string; reason: string }>;
export type ReadingEvent = ReadDispatched | ReadAnswered | ReadFailed | ReadingFailed;

/**
 * Stream `copying-<requestId>`, followed there by the events of a reading: a token that `deviceIdentifier` lacks is read
 * from `sources` and then written to it. What it was thought to hold of this version it does not.
 */
export type CopyOrdered = Event<
  'storage.copy_ordered',
  {
    requestId: string;
    tokenId: string;
    profileId: string;
    version: number;
    deviceIdentifier: string;
    sources: readonly string[];
    sha256: string;
    sealedSize: number;
  }
>;

/** Stream `synchronization-<commandId>`. */
export type SynchronizationStarted = Event<
  'storage.synchronization_started',
  { deviceIdentifier: string; sourceDeviceIdentifier: string | null }
>;
export type Synchronized = Event<'storage.synchronized', { deviceIdentifier: string; count: number; missing: number }>;
export type SynchronizationEvent = CopyOrdered | SynchronizationStarted | Synchronized;
