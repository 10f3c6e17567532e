import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * One row per one-time auth that is not spent. `holder` names the transfer that uses it; the transfer renews
 * `leased_until` while it lives, so that the auth comes free by itself when its server dies.
 */
export class Transfer1700000400000 implements MigrationInterface {
  readonly name = 'Transfer1700000400000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create schema if not exists transfer;
      create table transfer.auth (
        hash         text        primary key,
        direction    text        not null check (direction in ('up', 'down')),
        purpose      text        not null,
        id           text        not null,
        ref          jsonb       not null,
        expires_at   timestamptz not null,
        holder       uuid,
        leased_until timestamptz,
        check ((holder is null) = (leased_until is null))
      );
      create index auth_of on transfer.auth (purpose, id);
      create index auth_expiry on transfer.auth (expires_at);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop schema transfer cascade');
  }
}

export const transferMigrations = [Transfer1700000400000];
