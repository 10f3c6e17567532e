import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { Transform } from 'node:stream';
import {
  bindingText,
  bodyContext,
  cekContext,
  decodeHeader,
  envelopeInfo,
  keyContext,
  layers,
  rowContext,
  suites,
  uuidBytes,
} from '@symbolon/contracts';
import {
  importX25519Private,
  type KeyRing,
  open,
  openLayer2,
  openLayer3,
  openMessage,
  purposes,
  SealError,
} from '@symbolon/crypto';
import { createHash } from 'node:crypto';
import type { Pool } from 'pg';
import type { Envelope } from '@symbolon/device-link';
import { type Application, secretsOf, type StorageDevice } from './parties';
import { databaseDump, filesBelow } from './traces';

/** Which object is attacked: names, which are given to every attacker, and no secret. */
export interface Target {
  readonly owner: string;
  readonly tokenId: string;
  readonly parcelId: string;
  /** The token's string: it finds the data and opens nothing. */
  readonly token: string;
  readonly at: ReadonlyArray<{
    readonly deviceIdentifier: string;
    readonly objectId: string;
    readonly version: number;
  }>;
}

interface Wrapped {
  readonly context: Uint8Array;
  readonly message: Buffer;
}

/** Secrets, ciphertexts and wrapped keys in one hand. */
export class Holdings {
  constructor(
    /** 32 bytes each, whatever they are for. */
    readonly secrets: readonly Buffer[] = [],
    /** SYM1 envelopes. */
    readonly bytes: readonly Buffer[] = [],
    readonly wrapped: readonly Wrapped[] = [],
    /** Messages of the device channel. */
    readonly messages: readonly Envelope[] = [],
  ) {}

  with(...others: readonly Holdings[]): Holdings {
    const all = [this, ...others];
    return new Holdings(
      all.flatMap(({ secrets }) => secrets),
      all.flatMap(({ bytes }) => bytes),
      all.flatMap(({ wrapped }) => wrapped),
      all.flatMap(({ messages }) => messages),
    );
  }

  /**
   * Everything that can be had: each secret is tried on each ciphertext as each kind of key that could open it, and
   * what comes out is tried again, until nothing new comes.
   */
  async reach(target: Target): Promise<Buffer[]> {
    const secrets = new Map<string, Buffer>();
    const reached = new Map<string, Buffer>();
    const took = (bytes: Buffer): void => {
      if (bytes.length === 32) secrets.set(bytes.toString('hex'), bytes);
      reached.set(bytes.toString('hex'), bytes);
    };
    for (const secret of this.secrets) secrets.set(secret.toString('hex'), secret);
    for (let before = -1; before !== secrets.size + reached.size;) {
      before = secrets.size + reached.size;
      for (const secret of [...secrets.values()]) {
        for (const { context, message } of this.wrapped) take(() => open(secret, context, message), took);
        for (const { id, type, deviceIdentifier, body } of this.messages) {
          const sealed = Buffer.from((body as { sealed: string }).sealed, 'base64');
          take(
            () =>
              payloadOf(openMessage([importX25519Private(secret)], envelopeInfo(id, type, deviceIdentifier), sealed)),
            took,
          );
        }
        for (const envelope of [...this.bytes, ...reached.values()]) {
          for (const opened of await openings(secret, envelope, target)) took(opened);
        }
      }
    }
    return [...reached.values()];
  }
}

function take(attempt: () => Buffer, took: (bytes: Buffer) => void): void {
  try {
    took(attempt());
  } catch (error) {
    if (!(error instanceof SealError)) throw error;
  }
}

/** The payload inside a message, else the message itself. */
function payloadOf(text: Buffer): Buffer {
  const { payload } = JSON.parse(text.toString()) as { payload?: string };
  return payload === undefined ? text : Buffer.from(payload, 'base64');
}

async function openings(
  secret: Buffer,
  envelope: Buffer,
  { owner, tokenId, parcelId, token, at }: Target,
): Promise<Buffer[]> {
  switch (isSym1(envelope) ? envelope[4] : undefined) {
    case layers.device: {
      const header = decodeHeader(envelope, { layer: layers.device, suites: [suites.symmetric] });
      const kid = typeof header === 'string' ? undefined : header.wraps[0]?.kid;
      if (!kid) return [];
      return (await Promise.all(at.map((binding) => through(openLayer3(secret, kid, binding), envelope)))).flat();
    }
    case layers.server:
      return through(openLayer2(secret, { tokenId, parcelId, owner }), envelope);
    case layers.application:
      return openApplicationLayer(secret, envelope, token, owner);
    default:
      return [];
  }
}

/** A secret as the content key itself, and as the private key that the content key is wrapped to; no signature is asked for. */
function openApplicationLayer(secret: Buffer, envelope: Buffer, token: string, owner: string): Buffer[] {
  const header = decodeHeader(envelope, { layer: layers.application, suites: [suites.hpke] });
  if (typeof header === 'string') return [];
  const binding = createHash('sha256').update(bindingText(token)).digest().subarray(0, 16);
  const frame = { ...header, binding, owner: uuidBytes(owner) };
  const body = envelope.subarray(header.length);
  const opened: Buffer[] = [];
  take(
    () => open(secret, bodyContext(frame), body),
    (bytes) => opened.push(bytes),
  );
  for (const { enc, wrapped } of header.wraps) {
    const info = cekContext(frame, uuidBytes(owner));
    take(
      () =>
        open(openMessage([importX25519Private(secret)], info, Buffer.concat([enc, wrapped])), bodyContext(frame), body),
      (bytes) => opened.push(bytes),
    );
  }
  return opened;
}

async function through(opener: Transform, envelope: Buffer): Promise<Buffer[]> {
  try {
    return [await buffer(Readable.from([envelope], { objectMode: false }).pipe(opener))];
  } catch (error) {
    if (error instanceof SealError) return [];
    throw error;
  }
}

export function isSym1(bytes: Buffer, layer?: number): boolean {
  return bytes.toString('latin1', 0, 4) === 'SYM1' && (layer === undefined || bytes[4] === layer);
}

/** All that an application keeps. */
export function heldByApplication({ keys, session }: Application): Holdings {
  return new Holdings([...secretsOf(keys), Buffer.from(session.token!.slice(2), 'base64url')]);
}

/** All that lies on a device's disk. */
export function heldByDevice(device: StorageDevice): Holdings {
  return new Holdings(device.secrets, device.blobs);
}

/** All that central has: its key ring, every row of its database, its parcel store. */
export async function heldByCentral(pool: Pool, ring: KeyRing, dataDir: string): Promise<Holdings> {
  const wrapped = async (sql: string, context: (row: Record<string, string>) => Uint8Array): Promise<Wrapped[]> =>
    (await pool.query(sql)).rows.map((row) => ({ context: context(row), message: row.message }));
  return new Holdings(
    purposes.flatMap((purpose) => ring.all(purpose).map(({ bytes }) => bytes)),
    [
      ...filesBelow(join(dataDir, 'parcels')).map(({ bytes }) => bytes),
      ...[...(await databaseDump(pool)).values()].flatMap(envelopesIn),
    ],
    [
      ...(await wrapped('select subject_id as id, wrapped as message from keys.subject_key', ({ id }) =>
        keyContext('subject', id!, id!),
      )),
      ...(await wrapped(
        'select profile_id as owner, kek_id as id, wrapped as message from keys.profile_key',
        ({ owner, id }) => keyContext('profile-kek', owner!, id!),
      )),
      ...(await wrapped(
        'select owner_id as owner, parcel_id as id, wrapped as message from keys.token_key',
        ({ owner, id }) => keyContext('k2', owner!, id!),
      )),
      ...(await wrapped('select key_id as id, wrapped as message from keys.once_key', ({ id }) =>
        keyContext('once', null, id!),
      )),
      ...(await wrapped('select subject_id as owner, id, sealed as message from keys.sealed_string', ({ owner, id }) =>
        rowContext(owner!, 'sealed_string', id!),
      )),
    ],
  );
}

/** Envelopes that a dump holds in text form. */
function envelopesIn(text: string): Buffer[] {
  const hex = text.match(/(?<=\\x)53594d31[0-9a-f]+/g) ?? [];
  const base64 = text.match(/U1lNM[\w+/-]+/g) ?? [];
  return [...hex.map((found) => Buffer.from(found, 'hex')), ...base64.map((found) => Buffer.from(found, 'base64'))];
}
