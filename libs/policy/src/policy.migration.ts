import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Policy1700000800000 implements MigrationInterface {
  readonly name = 'Policy1700000800000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create schema if not exists policy;
      create table policy.policy (
        id                      uuid primary key,
        profile_id              uuid not null,
        name                    text not null,
        template_id             text not null,
        event_ids               text[] not null,
        registered              jsonb not null,
        voting_configuration_id uuid,
        active                  boolean not null,
        created_at              timestamptz not null,
        updated_at              timestamptz not null
      );
      create index policy_of_profile on policy.policy (profile_id, created_at desc, id desc);
      create table policy.voting_configuration (
        id   uuid primary key,
        name text not null
      );
      create table policy.sign_in (
        profile_id   uuid not null,
        address_hash text not null,
        last_at      timestamptz not null,
        primary key (profile_id, address_hash)
      );
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop schema policy cascade');
  }
}

export const policyMigrations = [Policy1700000800000];
