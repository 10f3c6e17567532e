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

export const commandLogMigrations = [CommandLog1700000300000];
