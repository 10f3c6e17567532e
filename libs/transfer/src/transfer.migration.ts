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

      -- Each auth replaces those of its purpose and id that no transfer is using. In one fixed order, so that no two
      -- calls ever wait for each other; two issuers at once would not see each other's row, and both would stay.
      create function transfer.issue(auths jsonb, now timestamptz) returns void language plpgsql as $$
      declare
        auth record;
      begin
        for auth in
          select a.*, hashtextextended('transfer.auth ' || purpose || ' ' || id, 0) as lock
            from rows from (jsonb_to_recordset(auths) as (
                   hash text, direction text, purpose text, id text, ref jsonb, expires_at timestamptz)
                 ) with ordinality as a(hash, direction, purpose, id, ref, expires_at, n)
           order by lock, n
        loop
          perform pg_advisory_xact_lock(auth.lock);
          delete from transfer.auth t
           where t.purpose = auth.purpose and t.id = auth.id and (t.holder is null or t.leased_until <= now);
          insert into transfer.auth (hash, direction, purpose, id, ref, expires_at)
          values (auth.hash, auth.direction, auth.purpose, auth.id, auth.ref, auth.expires_at);
        end loop;
      end $$;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop schema transfer cascade');
  }
}

export const transferMigrations = [Transfer1700000400000];
