import { createHmac, type KeyObject, randomBytes } from 'node:crypto';
import {
  guessText,
  keyContext,
  type LookupKind,
  lookupText,
  brokerPasswordText,
  objectText,
  rowContext,
  utf8,
  type WrappedKeyKind,
} from '@symbolon/contracts';
import { Clock, Gathered, type Instant, isOutage, millisOf, SystemClock, Unavailable } from '@symbolon/kernel';
import type { Pool, QueryResult, QueryResultRow } from 'pg';
import { uuid7 } from '../mint/ids';
import { open, seal } from '../seal/cobblestone';
import { SealError } from '../seal/seal-error';
import { encodePublicKey, importX25519Private, jwkThumbprint, x25519Public } from '../seal/x25519';
import { ed25519Public, importEd25519Private } from '../sign/ed25519';
import { EpochRotation, type EpochReport } from './epoch-rotation';
import { KeyCache } from './key-cache';
import { type KeyRing, KeyRingError, type Purpose, type RingKey } from './key-ring';
import { KeyStore1700000200000 } from './key-store.migration';
import { type LookupReport, rekeyLookups } from './lookup-rotation';

/** A public signing key as `/.well-known/jwks.json` shows it. */
export interface SigningJwk {
  readonly kty: 'OKP';
  readonly crv: 'Ed25519';
  readonly x: string;
  readonly kid: string;
  readonly use: 'sig';
  readonly alg: 'EdDSA';
}

export interface SealKeys {
  /** The exchange form, 200 hex digits. */
  readonly publicKey: string;
  readonly keyId: string;
  readonly createdAt: Instant;
  /** Newest first; all of them open. */
  readonly private: readonly KeyObject[];
}

interface Secret {
  readonly kind: LookupKind;
  readonly secret: string;
}

interface Kept extends Secret {
  readonly subject: string;
  readonly id: string;
  readonly sealed: Buffer;
}

interface Hit {
  readonly id: string;
  readonly hash: Buffer;
  readonly epoch_id: string;
}

interface Found {
  readonly hit: Hit | null;
  /** The ring does not know all epochs. */
  readonly stale: boolean;
  readonly current: RingKey | undefined;
  /** Under the current epoch. */
  readonly hash: Buffer | undefined;
}

interface OfParcel {
  readonly owner: string;
  readonly parcelId: string;
}

interface Sealed {
  readonly subject: string;
  readonly id: string;
  readonly sealed: Buffer;
}

interface ProfileKek {
  readonly id: string;
  readonly key: Buffer;
}

const day = 24 * 3600 * 1000;
/** A signing key is published this long before its first signature, and a replaced key this long after its last. */
const announced = day;
const overlap = 30 * day;
/** Kinds of guessable values whose case the API ignores. */
const caseless: ReadonlySet<string> = new Set(['username', 'short-name']);
const attempts = 5;

/**
 * The installation's wrapped keys, look-up rows and sealed strings (schema `keys`). Every method that asks the database
 * throws `Unavailable('database')` while it cannot be reached.
 */
export class KeyStore {
  static readonly migrations = [KeyStore1700000200000];

  private readonly subjects: KeyCache<Buffer | null>;
  private readonly keks: KeyCache<ProfileKek | null>;
  private readonly imported = new Map<string, KeyObject>();
  private readonly finding = new Gathered((wanted: readonly Secret[]) => this.lookUp(wanted));
  private readonly keeping = new Gathered((secrets: readonly Kept[]) => this.keepAll(secrets));
  private readonly opening = new Gathered((wanted: readonly OfParcel[]) => this.openTokenKeys(wanted));
  private readonly storing = new Gathered((strings: readonly Sealed[]) => this.storeStrings(strings));

  constructor(
    private readonly pool: Pool,
    private readonly ring: KeyRing,
    private readonly clock: Clock = new SystemClock(),
  ) {
    this.subjects = new KeyCache(clock, (id) => this.loadSubject(id));
    this.keks = new KeyCache(clock, (id) => this.loadKek(id));
  }

  /**
   * To be called once, after the migrations. Throws KeyRingError when the ring is not the one that the database's rows
   * are wrapped under.
   */
  async open(): Promise<void> {
    const { rows } = await this.query<{ epoch_id: string }>('select epoch_id from keys.epoch where not retired', []);
    const lost = rows.filter(({ epoch_id }) => !this.ring.byId(epoch_id));
    if (lost.length > 0) {
      throw new KeyRingError(
        'the key ring does not belong to this database: keys are missing that its rows are wrapped under',
      );
    }
    await this.announceEpochs();
  }

  // --- Subjects and profiles

  /** Makes a profile's subject key and key-encryption key. Does nothing when they exist or were destroyed. */
  async createSubject(profileId: string): Promise<void> {
    const kekId = uuid7();
    await this.underEpoch('epoch-kek', async (epoch) => {
      const { rows } = await this.query<{ live: boolean }>(
        `with live as (select 1 from keys.epoch where epoch_id = $2 and not retired),
              made as (insert into keys.subject_key (subject_id, epoch_id, wrapped)
                       select $1::uuid, $2::uuid, $3::bytea from live on conflict do nothing returning 1),
              kek as (insert into keys.profile_key (kek_id, profile_id, epoch_id, wrapped)
                      select $4::uuid, $1::uuid, $2::uuid, $5::bytea from made)
         select exists (select from live) as live`,
        [
          profileId,
          epoch.id,
          this.wrapNew(epoch, 'subject', profileId, profileId),
          kekId,
          this.wrapNew(epoch, 'profile-kek', profileId, kekId),
        ],
      );
      return rows[0]?.live === true;
    });
    this.evict(profileId);
  }

  /** Destroys everything that opens a profile's data. What is sealed under it reads as erased from here on. */
  async destroySubject(profileId: string): Promise<void> {
    await this.query(
      `with subject as (insert into keys.subject_key (subject_id) values ($1)
                        on conflict (subject_id) do update set wrapped = null, epoch_id = null),
            keks as (delete from keys.profile_key where profile_id = $1),
            tokens as (delete from keys.token_key where owner_id = $1)
       delete from keys.sealed_string where subject_id = $1`,
      [profileId],
    );
    this.evict(profileId);
  }

  /** The subject's key, or null once it was destroyed. Throws for a subject that was never made. */
  subjectKey(subject: string): Promise<Buffer | null> {
    return this.subjects.get(subject);
  }

  // --- Layer-2 keys

  /** The parcel's layer-2 key, made and kept wrapped under the owner's key; the same one when it was made before. */
  async createTokenKey(owner: string, parcelId: string): Promise<Buffer> {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const kek = await this.keks.get(owner);
      if (!kek) break;
      const key = randomBytes(32);
      const { rowCount } = await this.query(
        `insert into keys.token_key (parcel_id, owner_id, kek_id, wrapped)
         select $1, $2, kek_id, $4 from keys.profile_key where kek_id = $3 and not superseded
         on conflict (parcel_id) do nothing`,
        [parcelId, owner, kek.id, seal(kek.key, keyContext('k2', owner, parcelId), key)],
      );
      if (rowCount === 1) return key;
      const existing = await this.tokenKey(owner, parcelId);
      if (existing) return existing;
      // The key-encryption key was superseded since it was cached.
      this.keks.evict(owner);
    }
    throw new Error(`no key for profile ${owner}`);
  }

  /** The same for many parcels at once, none of which has a key yet. */
  async createTokenKeys(owner: string, parcelIds: readonly string[]): Promise<Buffer[]> {
    const kek = await this.keks.get(owner);
    if (!kek) throw new Error(`no key for profile ${owner}`);
    const keys = parcelIds.map(() => randomBytes(32));
    const { rows } = await this.query<{ parcel_id: string }>(
      `insert into keys.token_key (parcel_id, owner_id, kek_id, wrapped)
       select w.parcel_id, $2, kek_id, w.wrapped
         from keys.profile_key, unnest($1::uuid[], $4::bytea[]) w(parcel_id, wrapped)
        where kek_id = $3 and not superseded
       on conflict (parcel_id) do nothing returning parcel_id`,
      [
        parcelIds,
        owner,
        kek.id,
        keys.map((key, index) => seal(kek.key, keyContext('k2', owner, parcelIds[index]!), key)),
      ],
    );
    const made = new Set(rows.map((row) => row.parcel_id));
    return Promise.all(
      parcelIds.map(async (parcelId, index) =>
        made.has(parcelId) ? keys[index]! : this.createTokenKey(owner, parcelId),
      ),
    );
  }

  /** Null when the key was destroyed, never made, or is another owner's. */
  tokenKey(owner: string, parcelId: string): Promise<Buffer | null> {
    return this.opening.ask({ owner, parcelId });
  }

  private async openTokenKeys(wanted: readonly OfParcel[]): Promise<Array<Buffer | null>> {
    const { rows } = await this.query<{ n: number; wrapped: Buffer; kek_id: string; kek: Buffer; epoch_id: string }>(
      `select w.n::int, t.wrapped, p.kek_id, p.wrapped as kek, p.epoch_id
         from unnest($1::uuid[], $2::uuid[]) with ordinality w(parcel_id, owner_id, n)
         join keys.token_key t using (parcel_id, owner_id) join keys.profile_key p using (kek_id)`,
      [wanted.map(({ parcelId }) => parcelId), wanted.map(({ owner }) => owner)],
    );
    const keks = new Map<string, Buffer>();
    const keys: Array<Buffer | null> = wanted.map(() => null);
    for (const { n, wrapped, kek_id, kek, epoch_id } of rows) {
      const { owner, parcelId } = wanted[n - 1]!;
      const known = keks.get(kek_id);
      const key = known ?? open(await this.epochKey(epoch_id), keyContext('profile-kek', owner, kek_id), kek);
      keks.set(kek_id, key);
      keys[n - 1] = open(key, keyContext('k2', owner, parcelId), wrapped);
    }
    return keys;
  }

  /** Destroys layer-2 keys: every copy of these parcels' bytes is unreadable from here on. */
  async destroyTokenKeys(parcelIds: readonly string[]): Promise<void> {
    if (parcelIds.length === 0) return;
    await this.query(
      `with gone as (delete from keys.token_key where parcel_id = any($1::uuid[]) returning kek_id)
       update keys.profile_key set stale = true where kek_id in (select kek_id from gone) and not stale`,
      [parcelIds],
    );
  }

  // --- Sealed strings

  /** Keeps a string that answers show again, sealed under its subject's key. Keeps nothing for a destroyed subject. */
  async keepString(subject: string, id: string, text: string): Promise<void> {
    const key = await this.subjectKey(subject);
    if (!key) return;
    await this.storing.ask({ subject, id, sealed: seal(key, rowContext(subject, 'sealed_string', id), utf8(text)) });
  }

  private async storeStrings(all: readonly Sealed[]): Promise<void[]> {
    // Of several for one id the last counts.
    const strings = [...new Map(all.map((each) => [each.id, each])).values()];
    await this.query(
      `insert into keys.sealed_string (id, subject_id, sealed)
       select * from unnest($1::uuid[], $2::uuid[], $3::bytea[])
           on conflict (id) do update set sealed = excluded.sealed, subject_id = excluded.subject_id`,
      [strings.map(({ id }) => id), strings.map(({ subject }) => subject), strings.map(({ sealed }) => sealed)],
    );
    return all.map(() => undefined);
  }

  async readString(subject: string, id: string): Promise<string | null> {
    return (await this.readStrings(subject, [id])).get(id) ?? null;
  }

  /** The strings that are there, by id. */
  async readStrings(subject: string, ids: readonly string[]): Promise<Map<string, string>> {
    const texts = new Map<string, string>();
    const key = ids.length > 0 ? await this.subjectKey(subject) : null;
    if (!key) return texts;
    const { rows } = await this.query<{ id: string; sealed: Buffer }>(
      // Not by the index on subjects, however the planner sees it: one profile may have a million strings.
      'select id, sealed from keys.sealed_string where id = any($1::uuid[]) and subject_id is not distinct from $2',
      [ids, subject],
    );
    for (const { id, sealed } of rows) {
      texts.set(id, open(key, rowContext(subject, 'sealed_string', id), sealed).toString());
    }
    return texts;
  }

  async dropString(id: string): Promise<void> {
    await this.query('delete from keys.sealed_string where id = $1', [id]);
  }

  // --- Secrets found by their keyed hash

  /** HMAC of a secret under the current epoch, 43 base64url characters. Events keep the value of their epoch. */
  hashSecret(kind: LookupKind, secret: string): string {
    return lookupHash(this.ring.current('token-lookup'), kind, secret).toString('base64url');
  }

  /** The values that `hashSecret` gives or gave under every epoch that is still there, newest first. */
  hashesOfSecret(kind: LookupKind, secret: string): readonly string[] {
    return this.ring.all('token-lookup').map((epoch) => lookupHash(epoch, kind, secret).toString('base64url'));
  }

  /** From here on `findSecret` answers `id`. A repeat does nothing. */
  async rememberSecret(kind: LookupKind, secret: string, id: string): Promise<void> {
    await this.underEpoch('token-lookup', async (epoch) => {
      const { rowCount } = await this.query(
        `insert into keys.lookup (kind, hash, epoch_id, id)
         select $1, $2, epoch_id, $4 from keys.epoch where epoch_id = $3 and not retired
         on conflict (kind, hash) do update set id = excluded.id`,
        [kind, lookupHash(epoch, kind, secret), epoch.id, id],
      );
      return rowCount === 1;
    });
  }

  /** The id that was remembered for a secret, or null. A hit under an older epoch moves to the current one. */
  async findSecret(kind: LookupKind, secret: string): Promise<string | null> {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const { hit, stale, current, hash } = await this.finding.ask({ kind, secret });
      if (!hit && stale) {
        await this.ring.refresh();
        continue;
      }
      if (hit && current && hash && hit.epoch_id !== current.id) {
        await this.query(
          `update keys.lookup set hash = $3, epoch_id = $4
            where kind = $1 and hash = $2 and exists (select from keys.epoch where epoch_id = $4 and not retired)
              and not exists (select from keys.lookup where kind = $1 and hash = $3)`,
          [kind, hit.hash, hash, current.id],
        );
      }
      return hit?.id ?? null;
    }
    throw new KeyRingError('the key ring lacks a key that look-up rows are under');
  }

  private async lookUp(wanted: readonly Secret[]): Promise<Found[]> {
    const epochs = this.ring.all('token-lookup');
    const hashes = wanted.map(({ kind, secret }) => epochs.map((epoch) => lookupHash(epoch, kind, secret)));
    const each = hashes.flatMap((some, n) => some.map((hash) => ({ n, kind: wanted[n]?.kind, hash })));
    const { rows } = await this.query<{ stale: boolean; n: number | null } & Hit>(
      `select ring.stale, l.n, l.id, l.hash, l.epoch_id
         from (select exists (select from keys.epoch where purpose = 'token-lookup' and not retired
                                 and epoch_id <> all ($4::uuid[])) as stale) ring
         left join (unnest($1::integer[], $2::text[], $3::bytea[]) w(n, kind, hash)
                    join keys.lookup using (kind, hash)) l on true`,
      [each.map(({ n }) => n), each.map(({ kind }) => kind), each.map(({ hash }) => hash), epochs.map(({ id }) => id)],
    );
    return hashes.map(([hash], n) => ({
      hit: rows.find((row) => row.n === n) ?? null,
      stale: rows[0]?.stale ?? false,
      current: epochs[0],
      hash,
    }));
  }

  /**
   * Keeps a secret that answers show again and lets it be found, both at once. Answers the secret that counts: that of
   * an earlier run which was cut off, where there was one. Durable with the next commit of this database that waits for
   * the disk, as that of an event which speaks of it: what PostgreSQL loses in a crash are always the last commits.
   */
  async keepSecret(kind: LookupKind, subject: string, id: string, secret: string): Promise<string> {
    const key = await this.subjectKey(subject);
    const sealed = key && seal(key, rowContext(subject, 'sealed_string', id), utf8(secret));
    if (sealed && (await this.keeping.ask({ kind, subject, id, secret, sealed }))) return secret;
    const kept = await this.readString(subject, id);
    if (kept === null) await this.keepString(subject, id, secret);
    await this.rememberSecret(kind, kept ?? secret, id);
    return kept ?? secret;
  }

  /** Which of these were new and are kept. None under an epoch that was retired meanwhile. */
  private async keepAll(all: readonly Kept[]): Promise<boolean[]> {
    const epoch = this.ring.current('token-lookup');
    const firsts = new Map<string, Kept>();
    for (const each of all) if (!firsts.has(each.id)) firsts.set(each.id, each);
    const secrets = [...firsts.values()];
    const { rows } = await this.query<{ id: string }>(
      `with given as (
         select w.* from unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::text[], $5::bytea[]) w(id, subject_id, sealed, kind, hash)
          where exists (select from keys.epoch where epoch_id = $6 and not retired)
       ), kept as (
         insert into keys.sealed_string (id, subject_id, sealed) select id, subject_id, sealed from given
         on conflict (id) do nothing returning id
       ), found as (
         insert into keys.lookup (kind, hash, epoch_id, id) select kind, hash, $6::uuid, id from given join kept using (id)
         on conflict (kind, hash) do update set id = excluded.id
       )
       select id, set_config('synchronous_commit', 'off', true) from kept`,
      [
        secrets.map(({ id }) => id),
        secrets.map(({ subject }) => subject),
        secrets.map(({ sealed }) => sealed),
        secrets.map(({ kind }) => kind),
        secrets.map(({ kind, secret }) => lookupHash(epoch, kind, secret)),
        epoch.id,
      ],
    );
    const kept = new Set(rows.map(({ id }) => id));
    return all.map((each) => kept.has(each.id) && firsts.get(each.id) === each);
  }

  /** Removes every look-up row of this kind that leads to `id`. */
  async forgetSecret(kind: LookupKind, id: string): Promise<void> {
    await this.query('delete from keys.lookup where kind = $1 and id = $2', [kind, id]);
  }

  /** Removes every look-up row of this kind that leads to one of these ids. */
  async forgetSecrets(kind: LookupKind, ids: readonly string[]): Promise<void> {
    if (ids.length > 0)
      await this.query('delete from keys.lookup where kind = $1 and id = any($2::text[])', [kind, ids]);
  }

  /** Keyed hash of a guessable value, 64 hex digits: NFKC and lower case where the API ignores case. Never changes. */
  hashGuess(kind: string, value: string): string {
    const folded = caseless.has(kind) ? value.normalize('NFKC').toLowerCase().normalize('NFKC') : value;
    return hmac(this.ring.current('guess'), guessText(kind, folded)).toString('hex');
  }

  /** The name of a token at one device, 32 hex digits. Never changes. */
  objectId(tokenId: string, deviceIdentifier: string): string {
    return hmac(this.ring.current('object-id'), objectText(tokenId, deviceIdentifier)).toString('hex', 0, 16);
  }

  /**
   * A device's password at the broker, 43 base64url characters: another one for each channel secret, and never stored,
   * since it can be taken again whenever the device's user is made anew.
   */
  brokerPassword(deviceIdentifier: string, secretKeyId: string): string {
    return hmac(this.ring.current('object-id'), brokerPasswordText(deviceIdentifier, secretKeyId)).toString(
      'base64url',
    );
  }

  // --- Copies that are shown once

  /** Seals a text under a key of its own; `sealed` is base64url. */
  async sealOnce(text: string): Promise<{ keyId: string; sealed: string }> {
    const keyId = uuid7();
    const key = randomBytes(32);
    await this.underEpoch('epoch-kek', async (epoch) => {
      const { rowCount } = await this.query(
        `insert into keys.once_key (key_id, epoch_id, wrapped)
         select $1, epoch_id, $3 from keys.epoch where epoch_id = $2 and not retired on conflict do nothing`,
        [keyId, epoch.id, seal(epoch.bytes, keyContext('once', null, keyId), key)],
      );
      return rowCount === 1;
    });
    return { keyId, sealed: seal(key, rowContext(null, 'once_key', keyId), utf8(text)).toString('base64url') };
  }

  /** Null once its key was destroyed. */
  async openOnce(keyId: string, sealed: string): Promise<string | null> {
    const { rows } = await this.query<{ epoch_id: string; wrapped: Buffer }>(
      'select epoch_id, wrapped from keys.once_key where key_id = $1',
      [keyId],
    );
    const [row] = rows;
    if (!row) return null;
    const key = open(await this.epochKey(row.epoch_id), keyContext('once', null, keyId), row.wrapped);
    return open(key, rowContext(null, 'once_key', keyId), Buffer.from(sealed, 'base64url')).toString();
  }

  async destroyOnce(keyId: string): Promise<void> {
    await this.query('delete from keys.once_key where key_id = $1', [keyId]);
  }

  // --- The engine's own pairs

  /** The pair that devices seal to. A replaced key opens for another 30 days. */
  sealKeys(): SealKeys {
    const keys = this.ring.all('engine-seal');
    const [newest] = keys;
    if (!newest) throw new KeyRingError('the key ring has no key for engine-seal');
    const opening = keys.filter((_, index) => {
      const successor = keys[index - 1];
      return !successor || millisOf(successor.createdAt) + overlap > this.clock.millis();
    });
    const privates = opening.map((key) => this.importKey(key, importX25519Private));
    const publicRaw = x25519Public(privates[0] as KeyObject);
    return {
      publicKey: encodePublicKey(publicRaw),
      keyId: jwkThumbprint('X25519', publicRaw),
      createdAt: newest.createdAt,
      private: privates,
    };
  }

  /** The key that signs now: the newest that has been published for 24 hours, else the oldest. `publicKey`: 64 hex digits. */
  signKey(): { kid: string; private: KeyObject; publicKey: string } {
    const keys = this.ring.all('engine-sign');
    const signing = keys[this.signingIndex(keys)] as RingKey;
    const key = this.importKey(signing, importEd25519Private);
    const raw = ed25519Public(key);
    return { kid: jwkThumbprint('Ed25519', raw), private: key, publicKey: raw.toString('hex') };
  }

  /** What `/.well-known/jwks.json` shows: keys from 24 hours before their first signature to 30 days after their last. */
  jwks(): { keys: SigningJwk[] } {
    const keys = this.ring.all('engine-sign');
    const published = keys.filter((_, index) => !this.isRetired(keys, index));
    return {
      keys: published.map((key) => {
        const raw = ed25519Public(this.importKey(key, importEd25519Private));
        const kid = jwkThumbprint('Ed25519', raw);
        return { kty: 'OKP', crv: 'Ed25519', x: raw.toString('base64url'), kid, use: 'sig', alg: 'EdDSA' };
      }),
    };
  }

  // --- Rotation

  /** Adds a key for the engine's pairs or for password verifiers, and destroys pairs whose overlap is over. */
  async rotate(purpose: 'engine-seal' | 'engine-sign' | 'password'): Promise<RingKey> {
    return this.alone(async () => {
      await this.ring.refresh();
      const added = await this.ring.rotate(purpose);
      for (const engine of ['engine-seal', 'engine-sign'] as const) {
        const keys = this.ring.all(engine);
        for (const [index, key] of keys.entries()) {
          if (this.isRetired(keys, index)) await this.ring.destroy(key.id);
        }
      }
      return added;
    });
  }

  /**
   * Rotates the epoch KEK: makes a new one, wraps all profile and subject keys anew, gives profiles that deleted data a
   * fresh key, asks whether a backup of schema `keys` made now is verified, and then destroys the old epoch's key.
   * A call continues what an earlier one began; without the confirmation the old key stays.
   */
  async rotateEpoch(backedUp: () => Promise<boolean>): Promise<EpochReport> {
    return this.alone(async () => {
      const report = await new EpochRotation(this.ring, this.runner()).run(backedUp);
      this.keks.clear();
      return report;
    });
  }

  /**
   * Rotates the key of the look-up rows: re-keys what can be re-keyed from sealed strings; other rows follow when their
   * secret is used. The old epoch's key is destroyed by the first call that finds no row under it.
   */
  async rotateLookups(): Promise<LookupReport> {
    return this.alone(() =>
      rekeyLookups(this.ring, this.runner(), (subject, id) => this.readString(subject, id), lookupHash),
    );
  }

  // --- Inside

  private async loadSubject(subject: string): Promise<Buffer | null> {
    const { rows } = await this.query<{ epoch_id: string | null; wrapped: Buffer | null }>(
      'select epoch_id, wrapped from keys.subject_key where subject_id = $1',
      [subject],
    );
    const [row] = rows;
    if (!row) throw new Error(`no key for subject ${subject}`);
    if (!row.wrapped || !row.epoch_id) return null;
    return open(await this.epochKey(row.epoch_id), keyContext('subject', subject, subject), row.wrapped);
  }

  private async loadKek(profileId: string): Promise<ProfileKek | null> {
    const { rows } = await this.query<{ kek_id: string; epoch_id: string; wrapped: Buffer }>(
      'select kek_id, epoch_id, wrapped from keys.profile_key where profile_id = $1 and not superseded',
      [profileId],
    );
    const [row] = rows;
    if (!row) return null;
    const context = keyContext('profile-kek', profileId, row.kek_id);
    return { id: row.kek_id, key: open(await this.epochKey(row.epoch_id), context, row.wrapped) };
  }

  private async epochKey(id: string): Promise<Buffer> {
    if (!this.ring.byId(id)) await this.ring.refresh();
    const epoch = this.ring.byId(id);
    if (!epoch) throw new SealError();
    return epoch.bytes;
  }

  private wrapNew(epoch: RingKey, kind: WrappedKeyKind, owner: string, rowId: string): Buffer {
    const key = randomBytes(32);
    const wrapped = seal(epoch.bytes, keyContext(kind, owner, rowId), key);
    key.fill(0);
    return wrapped;
  }

  private importKey(key: RingKey, read: (raw: Uint8Array) => KeyObject): KeyObject {
    const known = this.imported.get(key.id) ?? read(key.bytes);
    this.imported.set(key.id, known);
    return known;
  }

  /** Writes under the current epoch; another process may have rotated meanwhile, then under the one after it. */
  private async underEpoch(purpose: Purpose, write: (epoch: RingKey) => Promise<boolean>): Promise<void> {
    for (let attempt = 0; attempt < attempts; attempt++) {
      if (await write(this.ring.current(purpose))) return;
      await this.ring.refresh();
      await this.announceEpochs();
    }
    throw new KeyRingError(`the current key for ${purpose} is not the database's`);
  }

  /** Lets rows name the ring's current epochs. A retired one stays retired. */
  private async announceEpochs(): Promise<void> {
    for (const purpose of ['epoch-kek', 'token-lookup'] as const) {
      await this.query('insert into keys.epoch (epoch_id, purpose) values ($1, $2) on conflict do nothing', [
        this.ring.current(purpose).id,
        purpose,
      ]);
    }
  }

  private signingIndex(keys: readonly RingKey[]): number {
    const ready = keys.findIndex(({ createdAt }) => millisOf(createdAt) + announced <= this.clock.millis());
    return ready < 0 ? keys.length - 1 : ready;
  }

  /** Has the overlap after this key's last use passed? */
  private isRetired(keys: readonly RingKey[], index: number): boolean {
    const successor = keys[index - 1];
    if (!successor) return false;
    const last = millisOf(successor.createdAt) + (successor.purpose === 'engine-sign' ? announced : 0);
    return last + overlap <= this.clock.millis();
  }

  private evict(profileId: string): void {
    this.subjects.evict(profileId);
    this.keks.evict(profileId);
  }

  private runner() {
    return <R extends QueryResultRow>(sql: string, params: readonly unknown[] = []) => this.query<R>(sql, params);
  }

  private query<R extends QueryResultRow>(sql: string, params: readonly unknown[]): Promise<QueryResult<R>> {
    return reaching(() => this.pool.query<R>(sql, params as unknown[]));
  }

  /** One rotation at a time, over all processes. */
  private async alone<T>(work: () => Promise<T>): Promise<T> {
    const client = await reaching(() => this.pool.connect());
    // A connection that breaks while it only holds the lock ends nothing: the work's own queries notice.
    client.on('error', () => undefined);
    try {
      await reaching(() => client.query(`select pg_advisory_lock(hashtextextended('symbolon.keys', 0))`));
      return await work();
    } finally {
      // The lock goes with the connection, whatever became of it.
      client.release(true);
    }
  }
}

async function reaching<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    throw isOutage(error) ? new Unavailable('database', { cause: error }) : error;
  }
}

function lookupHash(epoch: RingKey, kind: LookupKind, secret: string): Buffer {
  return hmac(epoch, lookupText(kind, secret));
}

function hmac(key: RingKey, text: Uint8Array): Buffer {
  return createHmac('sha256', key.bytes).update(text).digest();
}
