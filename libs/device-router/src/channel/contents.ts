import { codePoints, isUuid } from '@symbolon/http';
import type { Envelope } from '@symbolon/device-link';
import { type Instant, instant } from '@symbolon/kernel';

/** The outer form of a message (contract, section 16.2); null for anything else. Unknown members are ignored. */
export function readEnvelope(message: unknown): Envelope | null {
  if (!isObject(message)) return null;
  const { v, id, type, deviceIdentifier, correlationId, at, body, sig } = message;
  if (v !== 1 || !isUuid(id) || !isUuid(deviceIdentifier)) return null;
  if (typeof type !== 'string' || !/^[a-z_.]{1,64}$/.test(type)) return null;
  if (correlationId !== null && !isUuid(correlationId)) return null;
  if (!isTime(at)) return null;
  if (!isObject(body)) return null;
  if (sig !== undefined && sig !== null && typeof sig !== 'string') return null;
  const envelope: Envelope = { v, id, type, deviceIdentifier, correlationId, at, body };
  return typeof sig === 'string' ? { ...envelope, sig } : envelope;
}

export interface InventoryPage {
  readonly items: ReadonlyArray<{ readonly objectId: string; readonly version: number; readonly sha256: string }>;
  /** The last objectId of a page that has a successor. */
  readonly next: string | null;
}

export function readInventory(content: unknown): InventoryPage | null {
  if (!isObject(content) || !Array.isArray(content['items'])) return null;
  const { next = null } = content;
  if (next !== null && !isObjectId(next)) return null;
  const items: Array<InventoryPage['items'][number]> = [];
  for (const item of content['items'] as unknown[]) {
    if (!isObject(item)) return null;
    const { objectId, version, size, sha256 } = item;
    if (!isObjectId(objectId) || !isVersion(version) || !isDigest(sha256)) return null;
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) return null;
    items.push({ objectId, version, sha256 });
  }
  return { items, next };
}

export interface Vote {
  readonly ballotId: string;
  readonly vote: 'yes' | 'no';
  readonly votedAt: Instant;
  readonly comment: string | null;
  readonly statement: string | null;
}

const longestComment = 500;

export function readVote(content: unknown): Vote | null {
  if (!isObject(content)) return null;
  const { ballotId, vote, votedAt, comment = null, statement = null } = content;
  if (!isUuid(ballotId) || (vote !== 'yes' && vote !== 'no') || !isTime(votedAt)) return null;
  if (comment !== null && (typeof comment !== 'string' || codePoints(comment) > longestComment)) return null;
  if (statement !== null && typeof statement !== 'string') return null;
  return { ballotId, vote, votedAt: instant(Date.parse(votedAt)), comment, statement };
}

function isTime(value: unknown): value is string {
  return typeof value === 'string' && timeForm.test(value) && !Number.isNaN(Date.parse(value));
}

const timeForm = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

export interface WriteAck {
  readonly objectId: string;
  readonly version: number;
  readonly sha256: string;
}

export function readWriteAck(content: unknown): WriteAck | null {
  if (!isObject(content)) return null;
  const { objectId, version, sha256 } = content;
  return isObjectId(objectId) && isVersion(version) && isDigest(sha256) ? { objectId, version, sha256 } : null;
}

export interface DeleteAck {
  readonly objectId: string;
  readonly upToVersion: number;
}

export function readDeleteAck(content: unknown): DeleteAck | null {
  if (!isObject(content)) return null;
  const { objectId, upToVersion } = content;
  return isObjectId(objectId) && isVersion(upToVersion) ? { objectId, upToVersion } : null;
}

export interface ReadResult {
  readonly objectId: string;
  readonly version: number;
  readonly found: boolean;
  readonly size: number | null;
  readonly sha256: string | null;
  /** The L2 bytes; null where they were uploaded or not found. */
  readonly payload: Buffer | null;
}

export function readReadResult(content: unknown): ReadResult | null {
  if (!isObject(content)) return null;
  const { objectId, version, found, size, sha256, payload, uploaded } = content;
  if (!isObjectId(objectId) || !isVersion(version) || typeof found !== 'boolean') return null;
  if (!found) return { objectId, version, found, size: null, sha256: null, payload: null };
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0 || !isDigest(sha256)) return null;
  if (uploaded === true) return { objectId, version, found, size, sha256, payload: null };
  const bytes = fromBase64(payload);
  return bytes && { objectId, version, found, size, sha256, payload: bytes };
}

/** Standard alphabet; null for anything that is not base64. */
export function fromBase64(text: unknown): Buffer | null {
  if (typeof text !== 'string' || text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return null;
  return Buffer.from(text, 'base64');
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isObjectId(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{32}$/.test(value);
}

function isVersion(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1;
}

function isDigest(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
}
