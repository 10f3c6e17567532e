import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Mutable tables beside the log: wrapped keys, look-up rows and sealed strings. None of them is rebuilt from the log. */
export class KeyStore1700000200000 implements MigrationInterface {
  readonly name = 'KeyStore1700000200000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create schema keys;

      -- Ring keys that rows may name. One that is retired stays here: its key is gone or going, and no row is written
      -- under it any more, also not by a process that has not heard of the rotation.
      create table keys.epoch (
        epoch_id   uuid primary key,
        purpose    text not null,
        retired    boolean not null default false,
        created_at timestamptz not null default now()
      );

      -- A destroyed subject stays as a row without a key, so that it is not made again.
      create table keys.subject_key (
        subject_id uuid primary key,
        epoch_id   uuid,
        wrapped    bytea,
        created_at timestamptz not null default now(),
        check ((wrapped is null) = (epoch_id is null))
      );

      -- stale: data was deleted since the key was made; superseded: its rows are being wrapped anew.
      create table keys.profile_key (
        kek_id     uuid primary key,
        profile_id uuid not null,
        epoch_id   uuid not null,
        wrapped    bytea not null,
        stale      boolean not null default false,
        superseded boolean not null default false,
        created_at timestamptz not null default now()
      );
      create unique index profile_key_current on keys.profile_key (profile_id) where not superseded;
      create index profile_key_profile on keys.profile_key (profile_id);

      create table keys.token_key (
        parcel_id  uuid primary key,
        owner_id   uuid not null,
        kek_id     uuid not null,
        wrapped    bytea not null,
        created_at timestamptz not null default now()
      );
      create index token_key_owner on keys.token_key (owner_id);

      create table keys.once_key (
        key_id     uuid primary key,
        epoch_id   uuid not null,
        wrapped    bytea not null,
        created_at timestamptz not null default now()
      );

      create table keys.sealed_string (
        id         uuid primary key,
        subject_id uuid not null,
        sealed     bytea not null,
        created_at timestamptz not null default now()
      );
      create index sealed_string_subject on keys.sealed_string (subject_id);

      create table keys.lookup (
        kind       text not null,
        hash       bytea not null,
        epoch_id   uuid not null,
        id         text not null,
        created_at timestamptz not null default now(),
        primary key (kind, hash)
      );
      create index lookup_id on keys.lookup (id, kind);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop schema keys cascade');
  }
}
