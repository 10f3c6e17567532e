import type { MigrationInterface, QueryRunner } from 'typeorm';
import { OAuth1700000510000 } from './oauth-application/oauth.migration';

export class Identity1700000500000 implements MigrationInterface {
  readonly name = 'Identity1700000500000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create schema if not exists identity;
      create table identity.profile (
        profile_id        uuid primary key,
        kind              text not null,
        username_hash     text not null,
        managed_by        uuid,
        username          text,
        verifier          text,
        passwords         integer not null,
        public_key        text,
        signing_key       text,
        fingerprint       text,
        key_registered_at timestamptz,
        barred            boolean not null,
        created_at        timestamptz not null
      );
      create unique index profile_username on identity.profile (username_hash);
      create table identity.session (
        token_id   uuid primary key,
        profile_id uuid not null,
        expires_at timestamptz not null,
        revoked    boolean not null,
        created_at timestamptz not null
      );
      create index session_profile on identity.session (profile_id);
      create table identity.device (
        device_identifier uuid primary key,
        owner_profile_id  uuid not null,
        live              boolean not null
      );
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop schema identity cascade');
  }
}

export const identityMigrations = [Identity1700000500000, OAuth1700000510000];
