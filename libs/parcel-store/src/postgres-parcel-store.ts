import { Readable } from 'node:stream';
import { uuid7 } from '@symbolon/crypto';
import { Unavailable } from '@symbolon/kernel';
import type { Pool, PoolClient } from 'pg';
import { inParts } from './in-parts';
import { checkParcelId, type ParcelBytes, ParcelStore, sweepBatch } from './parcel-store';

const partSize = 256 * 1024;

/**
 * Parcels as rows of 256 KiB, for installations whose processes share nothing but PostgreSQL. The rows of a write come
 * one by one, each durable, and count only once the write is made the parcel's current one: after a crash at any point
 * a parcel is there whole or not at all. What a parcel was replaced by is swept later, for who reads it still; what is
 * deleted goes at once.
 */
export class PostgresParcelStore extends ParcelStore {
  /** The pool is this store's own. */
  constructor(private readonly pool: Pool) {
    super();
  }

  override close(): Promise<void> {
    return this.pool.end();
  }

  override async check(): Promise<void> {
    await this.available(() => this.pool.query('select from parcel_store.write limit 0'));
  }

  override async write(parcelId: string, bytes: ParcelBytes): Promise<{ size: number }> {
    checkParcelId(parcelId);
    const writeId = uuid7();
    // A source may break before it is read; reading it then says so.
    if (bytes instanceof Readable) bytes.on('error', () => undefined);
    try {
      await this.available(() =>
        this.pool.query('insert into parcel_store.write (write_id, parcel_id) values ($1, $2)', [writeId, parcelId]),
      );
      let size = 0;
      let number = 0;
      for await (const part of inParts(bytes, partSize)) {
        await this.available(() =>
          this.pool.query('insert into parcel_store.part (write_id, number, bytes) values ($1, $2, $3)', [
            writeId,
            number++,
            part,
          ]),
        );
        size += part.length;
      }
      await this.available(() => this.makeCurrent(parcelId, writeId, size));
      return { size };
    } catch (error) {
      // A source that was never read would wait for ever.
      if (bytes instanceof Readable) bytes.destroy();
      await this.remove('write_id', [writeId]).catch(() => undefined); // else the sweep finds it
      throw error;
    }
  }

  override async read(parcelId: string): Promise<Readable | null> {
    const found = await this.find(parcelId);
    if (!found) return null;
    const { writeId, size } = found;
    const parts = async function* (this: PostgresParcelStore) {
      for (let number = 0, at = 0; at < size; number++) {
        const { rows } = await this.available(() =>
          this.pool.query<{ bytes: Buffer }>(
            'select bytes from parcel_store.part where write_id = $1 and number = $2',
            [writeId, number],
          ),
        );
        const [part] = rows;
        if (!part) throw new Unavailable('parcel-store', { cause: new Error('the parcel was deleted meanwhile') });
        at += part.bytes.length;
        yield part.bytes;
      }
    };
    return Readable.from(parts.call(this), { objectMode: false, highWaterMark: partSize });
  }

  override async size(parcelId: string): Promise<number | null> {
    return (await this.find(parcelId))?.size ?? null;
  }

  override async delete(parcelId: string): Promise<void> {
    checkParcelId(parcelId);
    await this.remove('parcel_id', [parcelId]);
  }

  override async sweep(olderThan: Date, keep: (parcelIds: string[]) => Promise<Set<string>>): Promise<number> {
    await this.available(() =>
      this.pool.query('delete from parcel_store.write where not current and written_at < $1', [olderThan]),
    );
    let removed = 0;
    for (let after = '00000000-0000-0000-0000-000000000000'; ;) {
      const { rows } = await this.available(() =>
        this.pool.query<{ parcel_id: string }>(
          `select parcel_id from parcel_store.write
            where current and parcel_id > $1 and written_at < $2 order by parcel_id limit $3`,
          [after, olderThan, sweepBatch],
        ),
      );
      const ids = rows.map(({ parcel_id }) => parcel_id);
      if (ids.length === 0) return removed;
      const kept = await keep(ids);
      const unkept = ids.filter((id) => !kept.has(id));
      await this.remove('parcel_id', unkept);
      removed += unkept.length;
      after = ids.at(-1)!;
    }
  }

  private async find(parcelId: string): Promise<{ writeId: string; size: number } | null> {
    checkParcelId(parcelId);
    const { rows } = await this.available(() =>
      this.pool.query<{ write_id: string; size: string }>(
        'select write_id, size from parcel_store.write where parcel_id = $1 and current',
        [parcelId],
      ),
    );
    const [row] = rows;
    return row ? { writeId: row.write_id, size: Number(row.size) } : null;
  }

  private async makeCurrent(parcelId: string, writeId: string, size: number): Promise<void> {
    const client = await this.pool.connect();
    let broken: Error | undefined;
    try {
      await client.query('begin');
      await lockParcel(client, parcelId);
      await client.query('update parcel_store.write set current = false where parcel_id = $1 and current', [parcelId]);
      await client.query(
        'update parcel_store.write set current = true, size = $2, written_at = clock_timestamp() where write_id = $1',
        [writeId, size],
      );
      await client.query('commit');
    } catch (error) {
      broken = error as Error;
      throw error;
    } finally {
      // A connection with a transaction in doubt is not used again.
      client.release(broken);
    }
  }

  private async remove(column: 'write_id' | 'parcel_id', ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    const only = column === 'write_id' ? 'and not current' : '';
    await this.available(() =>
      this.pool.query(`delete from parcel_store.write where ${column} = any($1::uuid[]) ${only}`, [ids]),
    );
  }

  private async available<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw new Unavailable('parcel-store', { cause: error });
    }
  }
}

/** Two writes of one parcel come one after the other. */
async function lockParcel(client: PoolClient, parcelId: string): Promise<void> {
  await client.query("select pg_advisory_xact_lock(hashtextextended('parcel/' || $1::text, 0))", [parcelId]);
}
