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

      -- Batches under way. What is pending stands in the log, what became of an item only here until all have ended.
      create table token_vault.batch_item (
        command_id uuid not null,
        item       int not null,
        subject_id uuid not null,
        parcel_id  uuid,
        ended      jsonb,
        ended_at   timestamptz,
        primary key (command_id, item)
      );
      create index batch_item_of_subject on token_vault.batch_item (subject_id);
      create table token_vault.pending_batch (
        command_id uuid primary key,
        parcel_ids uuid[] not null
      );

      -- Operations that succeeded, one row per event; the counts per hour follow by themselves.
      create table token_vault.operation (
        event_id   uuid primary key,
        profile_id uuid not null,
        token_id   uuid not null,
        kind       text not null,
        at         timestamptz not null
      );
      create index operation_of_profile on token_vault.operation (profile_id, at);
      create index operation_on_token on token_vault.operation (token_id, at);
      create table token_vault.operation_count (
        profile_id uuid not null,
        hour       timestamptz not null,
        kind       text not null,
        n          bigint not null,
        primary key (profile_id, hour, kind)
      );
      create function token_vault.count_operations() returns trigger language plpgsql as $$
      begin
        insert into token_vault.operation_count as c (profile_id, hour, kind, n)
        select profile_id, date_trunc('hour', at, 'UTC'), kind, count(*) from added group by 1, 2, 3
        on conflict (profile_id, hour, kind) do update set n = c.n + excluded.n;
        return null;
      end $$;
      create trigger count_operations after insert on token_vault.operation
        referencing new table as added for each statement execute function token_vault.count_operations();

      -- How many permanent tokens a profile has: in all (value '') and by blind index.
      create table token_vault.token_count (
        profile_id uuid not null,
        value      text not null,
        n          bigint not null,
        primary key (profile_id, value)
      );
      -- How many of them were reserved in each hour and in each second: the way to a page far from the first.
      create table token_vault.token_page (
        profile_id uuid not null,
        level      text not null,
        at         timestamptz not null,
        n          bigint not null,
        primary key (profile_id, level, at)
      );
      -- Of file names only the whole and the first four characters: nearly every longer beginning would have a row of its own.
      create function token_vault.counted_values(t token_vault.token) returns setof text language sql immutable as $$
        select '' union all
        select unnest(t.context_index) union all
        select unnest(t.file_name_index[1:5]) union all
        select t.extension_index where t.extension_index is not null union all
        select t.data_type_index where t.data_type_index is not null
      $$;
      create function token_vault.count_tokens() returns trigger language plpgsql as $$
      begin
        if tg_op = 'INSERT' then
          if not exists (select from after where status = 'permanent') then return null; end if;
          insert into token_vault.token_count as c (profile_id, value, n)
          select t.profile_id, v, count(*) from after t, token_vault.counted_values(t) v
           where t.status = 'permanent' group by 1, 2 order by 1, 2
          on conflict (profile_id, value) do update set n = c.n + excluded.n;
          insert into token_vault.token_page as c (profile_id, level, at, n)
          select t.profile_id, l, date_trunc(l, t.created_at, 'UTC'), count(*)
            from after t, unnest(array['hour', 'second']) l where t.status = 'permanent' group by 1, 2, 3
          on conflict (profile_id, level, at) do update set n = c.n + excluded.n;
          return null;
        end if;
        if not exists (select from before where status = 'permanent' union all select from after where status = 'permanent') then
          return null;
        end if;
        insert into token_vault.token_count as c (profile_id, value, n)
        select profile_id, v, sum(d) from (
            select t.profile_id, v, 1 as d from after t, token_vault.counted_values(t) v where t.status = 'permanent'
            union all
            select t.profile_id, v, -1 from before t, token_vault.counted_values(t) v where t.status = 'permanent') change
         group by 1, 2 having sum(d) <> 0 order by 1, 2
        on conflict (profile_id, value) do update set n = c.n + excluded.n;
        insert into token_vault.token_page as c (profile_id, level, at, n)
        select profile_id, l, date_trunc(l, created_at, 'UTC'), sum(d) from (
            select profile_id, created_at, 1 as d from after where status = 'permanent'
            union all
            select profile_id, created_at, -1 from before where status = 'permanent') change, unnest(array['hour', 'second']) l
         group by 1, 2, 3 having sum(d) <> 0
        on conflict (profile_id, level, at) do update set n = c.n + excluded.n;
        return null;
      end $$;
      create trigger count_new_tokens after insert on token_vault.token
        referencing new table as after for each statement execute function token_vault.count_tokens();
      create trigger count_changed_tokens after update on token_vault.token
        referencing old table as before new table as after for each statement execute function token_vault.count_tokens();

      drop index token_vault.token_of_profile;
      create index token_listed on token_vault.token (profile_id, created_at desc, token_id desc)
        where status in ('permanent', 'temporary');
      create index token_temporary on token_vault.token (profile_id, created_at desc, token_id desc) where status = 'temporary';
      create index token_by_extension on token_vault.token (extension_index) where extension_index is not null;
      create index token_by_data_type on token_vault.token (data_type_index) where data_type_index is not null;
      -- What there is already is counted as if it came now.
      insert into token_vault.token_count
      select t.profile_id, v, count(*) from token_vault.token t, token_vault.counted_values(t) v
       where t.status = 'permanent' group by 1, 2;
      insert into token_vault.token_page
      select t.profile_id, l, date_trunc(l, t.created_at, 'UTC'), count(*)
        from token_vault.token t, unnest(array['hour', 'second']) l where t.status = 'permanent' group by 1, 2, 3;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop trigger count_new_tokens on token_vault.token;
      drop trigger count_changed_tokens on token_vault.token;
      drop table token_vault.batch_item, token_vault.pending_batch, token_vault.open_retrieval, token_vault.operation, token_vault.operation_count,
                 token_vault.token_count, token_vault.token_page;
      drop function token_vault.count_operations, token_vault.count_tokens, token_vault.counted_values;
      drop index token_vault.token_listed, token_vault.token_temporary, token_vault.token_by_extension,
                 token_vault.token_by_data_type;
      create index token_of_profile on token_vault.token (profile_id, created_at desc, token_id desc);
      alter table token_vault.download drop key_id;
    `);
  }
}

export const tokenVaultMigrations = [TokenVault1700000600000, TokenVault1700000610000];
