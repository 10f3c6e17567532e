import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CommandLog1700000300000 implements MigrationInterface {
  readonly name = 'CommandLog1700000300000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create schema if not exists command_log;
      create table command_log.command_status (
        command_id     uuid primary key,
        type           text not null,
        profile_id     uuid,
        application_id uuid,
        anonymous      boolean not null,
        part_of        uuid,
        request_id     uuid,
        status         text not null,
        reason         text,
        result         jsonb,
        created_at     timestamptz not null,
        updated_at     timestamptz not null
      );
      create index command_status_final on command_log.command_status (updated_at) where status <> 'started';
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop schema command_log cascade');
  }
}

/** Polls that were opened for a command; the one still open is shown with its status. */
export class CommandPolls1700000310000 implements MigrationInterface {
  readonly name = 'CommandPolls1700000310000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table command_log.command_poll (
        pool_id    uuid primary key,
        command_id uuid not null,
        open       boolean not null default true
      );
      create index command_poll_command on command_log.command_poll (command_id);
      drop index command_log.command_status_final;
      create index command_status_final on command_log.command_status (updated_at)
        where status in ('succeeded', 'rejected');
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop table command_log.command_poll;
      drop index command_log.command_status_final;
      create index command_status_final on command_log.command_status (updated_at) where status <> 'started';
    `);
  }
}

/** Statuses that can be read without a token end with the profile that they are about. */
export class AnonymousCommands1700000320000 implements MigrationInterface {
  readonly name = 'AnonymousCommands1700000320000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      'create index command_status_anonymous on command_log.command_status (profile_id) where anonymous',
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop index command_log.command_status_anonymous');
  }
}

export const commandLogMigrations = [
  CommandLog1700000300000,
  CommandPolls1700000310000,
  AnonymousCommands1700000320000,
];
