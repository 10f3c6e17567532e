import { randomBytes } from 'node:crypto';
import { keyContext, type WrappedKeyKind } from '@symbolon/contracts';
import type { QueryResult, QueryResultRow } from 'pg';
import { uuid7 } from '../mint/ids';
import { open, seal } from '../seal/cobblestone';
import { SealError } from '../seal/seal-error';
import type { KeyRing, RingKey } from './key-ring';

export type RunQuery = <R extends QueryResultRow>(sql: string, params?: readonly unknown[]) => Promise<QueryResult<R>>;

export interface EpochReport {
  /** The epoch that is current now. */
  readonly epoch: string;
  /** Keys wrapped anew, and profiles that got a fresh key, by this call. */
  readonly rewrapped: number;
  readonly refreshed: number;
  /** False: the old epoch's key waits for a verified backup. */
  readonly finished: boolean;
}

interface WrappedRow {
  id: string;
  owner: string;
  epoch_id: string;
  wrapped: Buffer;
}

/** Tables whose rows are wrapped under the epoch KEK. */
const wrappedTables: ReadonlyArray<{ table: string; id: string; owner: string; kind: WrappedKeyKind }> = [
  { table: 'profile_key', id: 'kek_id', owner: 'profile_id', kind: 'profile-kek' },
  { table: 'subject_key', id: 'subject_id', owner: 'subject_id', kind: 'subject' },
  { table: 'once_key', id: 'key_id', owner: 'null::uuid', kind: 'once' },
];
const batch = 500;

/** Waits for every statement that writes these tables and may have begun before: later ones see what is true now. */
export async function settleWriters(query: RunQuery, ...tables: readonly string[]): Promise<void> {
  await query(`lock table ${tables.map((table) => `keys.${table}`).join(', ')} in share mode; select 1`);
}

/**
 * The steps of a rotation of the epoch KEK. Where one stands follows from the ring and the rows alone, so that a run
 * that ended anywhere is continued by the next.
 */
export class EpochRotation {
  private rewrapped = 0;
  private refreshed = 0;

  constructor(
    private readonly ring: KeyRing,
    private readonly query: RunQuery,
  ) {}

  async run(backedUp: () => Promise<boolean>): Promise<EpochReport> {
    await this.ring.refresh();
    if (this.ring.all('epoch-kek').length === 1) await this.ring.rotate('epoch-kek');
    const [current, ...old] = this.ring.all('epoch-kek');
    if (!current) throw new SealError();
    await this.query(`insert into keys.epoch (epoch_id, purpose) values ($1, 'epoch-kek') on conflict do nothing`, [
      current.id,
    ]);

    for (const epoch of old) await this.retire(epoch, current);
    await this.refreshProfiles(current);

    // Nothing is under the old epochs any more, so a backup that is made from here on does not need them.
    const finished = await backedUp();
    if (finished) for (const epoch of old) await this.ring.destroy(epoch.id);
    return { epoch: current.id, rewrapped: this.rewrapped, refreshed: this.refreshed, finished };
  }

  private async rewrapUnder(current: RingKey): Promise<void> {
    for (const { table, id, owner, kind } of wrappedTables) {
      for (;;) {
        const { rows } = await this.query<WrappedRow>(
          `select ${id} as id, ${owner} as owner, epoch_id, wrapped from keys.${table} where epoch_id <> $1 limit ${batch}`,
          [current.id],
        );
        if (rows.length === 0) break;
        await this.query(
          `update keys.${table} t set wrapped = n.wrapped, epoch_id = $1
             from unnest($2::uuid[], $3::uuid[], $4::bytea[]) as n (id, epoch_id, wrapped)
            where t.${id} = n.id and t.epoch_id = n.epoch_id`,
          [
            current.id,
            rows.map((row) => row.id),
            rows.map((row) => row.epoch_id),
            rows.map((row) => this.rewrap(row, keyContext(kind, row.owner, row.id), current)),
          ],
        );
        this.rewrapped += rows.length;
      }
    }
  }

  private rewrap({ epoch_id, wrapped }: WrappedRow, context: Uint8Array, current: RingKey): Buffer {
    const old = this.ring.byId(epoch_id);
    if (!old) throw new SealError();
    const key = open(old.bytes, context, wrapped);
    const again = seal(current.bytes, context, key);
    key.fill(0);
    return again;
  }

  /** Profiles that deleted data get a fresh key, so that the old one, which opens the deleted rows of backups, can go. */
  private async refreshProfiles(current: RingKey): Promise<void> {
    for (;;) {
      const { rows } = await this.query<{ profile_id: string; kek_id: string }>(
        `select profile_id, kek_id from keys.profile_key where stale and not superseded limit ${batch}`,
      );
      if (rows.length === 0) break;
      const fresh = rows.map(({ profile_id, kek_id }) => {
        const id = uuid7();
        const key = randomBytes(32);
        const wrapped = seal(current.bytes, keyContext('profile-kek', profile_id, id), key);
        key.fill(0);
        return { id, old: kek_id, wrapped };
      });
      await this.query(
        `with replaced as (
           update keys.profile_key k set superseded = true
             from unnest($2::uuid[], $3::uuid[], $4::bytea[]) as n (old_id, kek_id, wrapped)
            where k.kek_id = n.old_id and not k.superseded
           returning n.kek_id, k.profile_id, n.wrapped)
         insert into keys.profile_key (kek_id, profile_id, epoch_id, wrapped)
         select kek_id, profile_id, $1, wrapped from replaced`,
        [current.id, fresh.map(({ old }) => old), fresh.map(({ id }) => id), fresh.map(({ wrapped }) => wrapped)],
      );
      this.refreshed += rows.length;
    }
    await this.rewrapTokens();
    await settleWriters(this.query, 'token_key');
    await this.rewrapTokens();
    await this.query('delete from keys.profile_key where superseded');
  }

  private async rewrapTokens(): Promise<void> {
    for (;;) {
      const { rows } = await this.query<{
        parcel_id: string;
        owner_id: string;
        wrapped: Buffer;
        old_id: string;
        old_epoch: string;
        old: Buffer;
        new_id: string;
        new_epoch: string;
        new: Buffer;
      }>(
        `select t.parcel_id, t.owner_id, t.wrapped, o.kek_id as old_id, o.epoch_id as old_epoch, o.wrapped as old,
                n.kek_id as new_id, n.epoch_id as new_epoch, n.wrapped as new
           from keys.profile_key o
           join keys.token_key t on t.owner_id = o.profile_id and t.kek_id = o.kek_id
           join keys.profile_key n on n.profile_id = o.profile_id and not n.superseded
          where o.superseded limit ${batch}`,
      );
      if (rows.length === 0) return;
      const keks = new Map<string, Buffer>();
      const kek = (profile: string, id: string, epoch: string, wrapped: Buffer) => {
        const known = keks.get(id) ?? open(this.epochBytes(epoch), keyContext('profile-kek', profile, id), wrapped);
        keks.set(id, known);
        return known;
      };
      const again = rows.map((row) => {
        const context = keyContext('k2', row.owner_id, row.parcel_id);
        const key = open(kek(row.owner_id, row.old_id, row.old_epoch, row.old), context, row.wrapped);
        return seal(kek(row.owner_id, row.new_id, row.new_epoch, row.new), context, key);
      });
      await this.query(
        `update keys.token_key t set wrapped = n.wrapped, kek_id = n.kek_id
           from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bytea[]) as n (parcel_id, old_id, kek_id, wrapped)
          where t.parcel_id = n.parcel_id and t.kek_id = n.old_id`,
        [rows.map((row) => row.parcel_id), rows.map((row) => row.old_id), rows.map((row) => row.new_id), again],
      );
      this.rewrapped += rows.length;
    }
  }

  /** From here on no row is written under the epoch, and none is left there. */
  private async retire(epoch: RingKey, current: RingKey): Promise<void> {
    await this.rewrapUnder(current);
    await this.query('update keys.epoch set retired = true where epoch_id = $1', [epoch.id]);
    await settleWriters(this.query, ...wrappedTables.map(({ table }) => table));
    await this.rewrapUnder(current);
  }

  private epochBytes(id: string): Buffer {
    const epoch = this.ring.byId(id);
    if (!epoch) throw new SealError();
    return epoch.bytes;
  }
}
