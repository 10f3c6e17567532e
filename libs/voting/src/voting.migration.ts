import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Everything here is made from the log. */
export class Voting1700000800000 implements MigrationInterface {
  readonly name = 'Voting1700000800000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create schema if not exists voting;

      create table voting.device (
        device_identifier uuid primary key,
        owner_profile_id  uuid not null,
        -- The event whose box holds the name.
        named             jsonb not null
      );

      create table voting.authenticator (
        profile_id        uuid not null,
        device_identifier uuid not null,
        verified          boolean not null,
        registered_at     timestamptz not null,
        last_vote_at      timestamptz,
        primary key (profile_id, device_identifier)
      );
      create index authenticator_device on voting.authenticator (device_identifier);

      create table voting.configuration (
        id         uuid primary key,
        profile_id uuid not null,
        name       text not null,
        fields     jsonb not null,
        created_at timestamptz not null,
        updated_at timestamptz not null
      );
      create index configuration_of_profile on voting.configuration (profile_id, created_at desc, id desc);

      create table voting.poll (
        pool_id      uuid primary key,
        profile_id   uuid not null,
        -- The event whose box holds title, question and nonce.
        created      jsonb not null,
        status       text not null,
        reason       text,
        next_pool_id uuid,
        created_at   timestamptz not null,
        resolved_at  timestamptz
      );
      create index poll_before on voting.poll (next_pool_id) where next_pool_id is not null;

      create table voting.ballot (
        ballot_id         uuid primary key,
        pool_id           uuid not null,
        device_identifier uuid not null,
        state             text not null,
        vote              text
      );
      create index ballot_of_poll on voting.ballot (pool_id);
      create index ballot_of_device on voting.ballot (device_identifier);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop schema voting cascade');
  }
}

export const votingMigrations: Array<new () => MigrationInterface> = [Voting1700000800000];
