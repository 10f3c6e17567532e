import type { ProfileEvent } from '@symbolon/contracts';
import type { EventStore, Instant } from '@symbolon/kernel';

const format = 'symbolon-poll/1';

/** A signing key that a device registered, from when on. `null`: it registered a key for sealing alone. */
export interface RegisteredKey {
  readonly signingKey: string | null;
  readonly registeredAt: Instant;
}

/**
 * What the log has of one poll, with the public keys that its statements can be checked with: enough to count again
 * without the installation. Holds ids and digests; what is personal stays sealed in the log and is left out.
 */
export interface PollRecord {
  readonly format: typeof format;
  readonly poolId: string;
  readonly events: ReadonlyArray<{
    readonly id: string;
    readonly type: string;
    readonly recordedAt: Instant;
    readonly data: Readonly<Record<string, unknown>>;
  }>;
  readonly keys: {
    /** 64 hex digits each. */
    readonly server: readonly string[];
    readonly devices: Readonly<Record<string, readonly RegisteredKey[]>>;
  };
}

/** Null for a poll of which the log knows nothing. `serverKeys`: 64 hex digits each. */
export async function readPollRecord(
  store: Pick<EventStore, 'read'>,
  poolId: string,
  serverKeys: readonly string[],
): Promise<PollRecord | null> {
  const events: Array<PollRecord['events'][number]> = [];
  const devices: Record<string, RegisteredKey[]> = {};
  for await (const { id, type, recordedAt, data } of store.read(`poll-${poolId}`)) {
    const { sealed: _, ...clear } = data as Record<string, unknown>;
    events.push({ id, type, recordedAt, data: clear });
    if (type === 'ballot.issued') devices[String(clear['deviceIdentifier'])] = [];
  }
  if (events.length === 0) return null;
  for (const [deviceIdentifier, keys] of Object.entries(devices)) {
    for await (const { type, recordedAt, data } of store.read(`profile-${deviceIdentifier}`)) {
      if (type !== 'public_key.registered' && type !== 'public_key.replaced') continue;
      const { signingKey } = data as Extract<ProfileEvent, { type: 'public_key.registered' }>['data'];
      keys.push({ signingKey, registeredAt: recordedAt });
    }
  }
  return { format, poolId, events, keys: { server: serverKeys, devices } };
}

/** Null for a text that is no such record. */
export function parsePollRecord(text: string): PollRecord | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isRecord(value) || value['format'] !== format || typeof value['poolId'] !== 'string') return null;
  const { events, keys } = value;
  if (!Array.isArray(events) || !events.every(isEvent) || !isRecord(keys)) return null;
  const { server, devices } = keys;
  if (!Array.isArray(server) || !server.every(isKey) || !isRecord(devices)) return null;
  const lists = Object.values(devices);
  return lists.every((list) => Array.isArray(list) && list.every(isRegisteredKey))
    ? (value as unknown as PollRecord)
    : null;
}

/** 64 hex digits, lower case. */
export function isKey(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
}

function isEvent(value: unknown): boolean {
  return (
    isRecord(value) && typeof value['type'] === 'string' && isInstant(value['recordedAt']) && isRecord(value['data'])
  );
}

function isRegisteredKey(value: unknown): boolean {
  return (
    isRecord(value) && isInstant(value['registeredAt']) && (value['signingKey'] === null || isKey(value['signingKey']))
  );
}

function isInstant(value: unknown): boolean {
  return typeof value === 'string' && !Number.isNaN(Date.parse(value));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
