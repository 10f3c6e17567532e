import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Tables that projections make from the log: `token`, `storage_device`, `public_key`, `pending_command`.
 * Tables of work in hand, which the log does not hold: `parcel` has a row for every layer-2 key, written before the key
 * is made; `download` one for every answer that waits to be fetched.
 */
export class TokenVault1700000600000 implements MigrationInterface {
  readonly name = 'TokenVault1700000600000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create schema if not exists token_vault;
      create table token_vault.token (
        token_id         uuid primary key,
        profile_id       uuid not null,
        reserved_by      uuid,
        status           text not null,
        writing          boolean not null,
        version          int,
        size             bigint,
        context          text,
        file             text,
        data             text,
        security         text,
        context_index    text[] not null default '{}',
        file_name_index  text[] not null default '{}',
        extension_index  text,
        data_type_index  text,
        created_at       timestamptz not null,
        updated_at       timestamptz not null,
        expires_at       timestamptz not null
      );
      create index token_of_profile on token_vault.token (profile_id, created_at desc, token_id desc);
      create index token_of_command on token_vault.token (reserved_by);
      create index token_by_context on token_vault.token using gin (context_index);
      create index token_by_file_name on token_vault.token using gin (file_name_index);
      create table token_vault.storage_device (
        device_identifier uuid primary key,
        profile_id        uuid not null
      );
      create index storage_device_of_profile on token_vault.storage_device (profile_id);
      create table token_vault.public_key (
        profile_id uuid primary key,
        public_key text not null
      );
      create table token_vault.pending_command (
        command_id uuid primary key,
        token_id   uuid not null,
        parcel_id  uuid
      );
      create index pending_command_on_token on token_vault.pending_command (token_id);
      create table token_vault.parcel (
        parcel_id  uuid primary key,
        token_id   uuid not null,
        profile_id uuid not null,
        begun_at   timestamptz not null,
        in_transit boolean not null default true
      );
      create index parcel_of_token on token_vault.parcel (token_id);
      create index parcel_in_transit on token_vault.parcel (begun_at) where in_transit;
      create table token_vault.download (
        request_id uuid primary key,
        token_id   uuid not null,
        parcel_id  uuid not null
      );
      create index download_of_token on token_vault.download (token_id);
      create index download_of_parcel on token_vault.download (parcel_id);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop schema token_vault cascade');
  }
}

/** Versions, statistics, and counters that spare lists a look at every row. */
export class TokenVault1700000610000 implements MigrationInterface {
  readonly name = 'TokenVault1700000610000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table token_vault.open_retrieval (
        request_id uuid primary key,
        token_id   uuid not null,
        key_id     uuid not null
      );
      create index open_retrieval_of_key on token_vault.open_retrieval (key_id);
      alter table token_vault.download add key_id uuid;
      create index download_of_key on token_vault.download (key_id);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table token_vault.open_retrieval; alter table token_vault.download drop key_id');
  }
}

export const tokenVaultMigrations = [TokenVault1700000600000, TokenVault1700000610000];
