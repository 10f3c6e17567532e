import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Tables of the parcels that lie in PostgreSQL. A write is visible once it is `current`, which at most one of a parcel is. */
class ParcelStoreTables1795000000000 implements MigrationInterface {
  readonly name = 'ParcelStoreTables1795000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create schema if not exists parcel_store;
      create table parcel_store.write (
        write_id   uuid primary key,
        parcel_id  uuid not null,
        size       bigint not null default 0,
        current    boolean not null default false,
        written_at timestamptz not null default clock_timestamp()
      );
      create unique index write_current on parcel_store.write (parcel_id) where current;
      create index write_other on parcel_store.write (written_at) where not current;
      create table parcel_store.part (
        write_id uuid not null references parcel_store.write on delete cascade,
        number   integer not null,
        bytes    bytea not null,
        primary key (write_id, number)
      );
      -- Sealed bytes do not get smaller.
      alter table parcel_store.part alter column bytes set storage external;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop schema parcel_store cascade');
  }
}

export const parcelStoreMigrations = [ParcelStoreTables1795000000000];
