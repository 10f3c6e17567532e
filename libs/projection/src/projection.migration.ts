import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Cursors of projections, reactors and workers; deadlines. */
export class Projection1700000200000 implements MigrationInterface {
  readonly name = 'Projection1700000200000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create schema if not exists engine;
      create table engine.checkpoint (
        name          text primary key,
        version       int not null default 1,
        kind          text not null default 'worker',
        cursor        text,
        moved_at      timestamptz not null default now(),
        error         text,
        stalled_event text,
        stalled_since timestamptz,
        -- Events that an operator has let pass; forgotten by a rebuild.
        skipped       text[] not null default '{}',
        tables        text[] not null default '{}'
      ) with (fillfactor = 50);
      create table engine.deadline (
        id           text primary key,
        kind         text not null,
        due_at       timestamptz not null,
        data         jsonb not null,
        claims       bigint not null default 0,
        failures     int not null default 0,
        leased_until timestamptz not null default '-infinity',
        error        text
      );
      create index deadline_due on engine.deadline (due_at);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop schema engine cascade');
  }
}

export const projectionMigrations = [Projection1700000200000];
