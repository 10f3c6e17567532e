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
      create index open_retrieval_of_token on token_vault.open_retrieval (token_id);
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

      -- What a profile's list shows, permanent or temporary, is counted in ranges of time: in all (value '') and by blind
      -- index. A range ends where the profile's next one starts. Who writes tokens is alone: the projection's cursor
      -- is the lock.
      create table token_vault.token_range (
        profile_id uuid not null,
        value      text not null,
        start      timestamptz not null,
        permanent  int not null,
        temporary  int not null,
        primary key (profile_id, value, start)
      ) with (fillfactor = 70);
      create function token_vault.range_of(profile uuid, at timestamptz) returns timestamptz language sql stable as $$
        select coalesce((select start from token_vault.token_range
                          where profile_id = profile and value = '' and start <= at order by start desc limit 1), '-infinity')
      $$;
      -- Of file names only the whole and the first four characters: nearly every longer beginning would have a row of its own.
      create function token_vault.counted_values(t token_vault.token) returns setof text language sql immutable as $$
        select '' union all
        select unnest(t.context_index) union all
        select unnest(t.file_name_index[1:5]) union all
        select t.extension_index where t.extension_index is not null union all
        select t.data_type_index where t.data_type_index is not null
      $$;
      -- Adds what has changed, and removes what counts nothing any more.
      create function token_vault.add_to_ranges(change token_vault.token_range[]) returns void language plpgsql as $$
      declare
        nothing token_vault.token_range[];
        gone token_vault.token_range;
      begin
        with changed as (
          insert into token_vault.token_range as c select * from unnest(change)
          on conflict (profile_id, value, start)
             do update set permanent = c.permanent + excluded.permanent, temporary = c.temporary + excluded.temporary
          returning c.*)
        select array_agg((profile_id, value, start, permanent, temporary)::token_vault.token_range) into nothing
          from changed where permanent = 0 and temporary = 0;
        if nothing is null then return; end if;
        foreach gone in array nothing loop
          delete from token_vault.token_range c
           where c.profile_id = gone.profile_id and c.value = gone.value and c.start = gone.start;
        end loop;
      end $$;
      -- Makes ranges of a thousand out of one. Tokens of the same moment stay together.
      create function token_vault.divide_range(profile uuid, first timestamptz) returns void language plpgsql as $$
      declare
        last timestamptz := coalesce((select min(start) from token_vault.token_range
                                       where profile_id = profile and value = '' and start > first), 'infinity');
      begin
        perform token_vault.add_to_ranges(array_agg((profile, value, start, permanent, temporary)::token_vault.token_range))
          from (select v as value, c.start, sum(c.d * ((m.t).status = 'permanent')::int),
                       sum(c.d * ((m.t).status = 'temporary')::int)
                  from (select t, part, min((t).created_at) over (partition by part) as start
                          from (select t, (rank() over (order by created_at) - 1) / 1000 as part from token_vault.token t
                                 where profile_id = profile and created_at >= first and created_at < last
                                   and status in ('permanent', 'temporary')) parts) m,
                       lateral (values (m.start, 1), (first, -1)) c(start, d), token_vault.counted_values(m.t) v
                 where m.part > 0 group by 1, 2) moved(value, start, permanent, temporary);
      end $$;
      -- Its plans are kept for long: made while there are few tokens, they would read whole tables when there are many.
      create function token_vault.count_tokens() returns trigger language plpgsql set enable_seqscan = off as $$
      declare
        change token_vault.token_range[];
        large record;
      begin
        if tg_op = 'UPDATE' then
          if not exists (
            select from before b join after a using (token_id)
             where (b.status in ('permanent', 'temporary') or a.status in ('permanent', 'temporary'))
               and (a.status, a.context_index, a.file_name_index, a.extension_index, a.data_type_index)
                   is distinct from (b.status, b.context_index, b.file_name_index, b.extension_index, b.data_type_index))
          then return null; end if;
          select array_agg((profile_id, value, start, permanent, temporary)::token_vault.token_range) into change
            from (select profile_id, value, start, sum(d * (status = 'permanent')::int), sum(d * (status = 'temporary')::int)
                    from (select t.profile_id, t.status, v, r, 1
                            from after t, token_vault.range_of(t.profile_id, t.created_at) r, token_vault.counted_values(t) v
                          union all
                          select t.profile_id, t.status, v, r, -1
                            from before t, token_vault.range_of(t.profile_id, t.created_at) r, token_vault.counted_values(t) v)
                         each(profile_id, status, value, start, d)
                   group by 1, 2, 3) net(profile_id, value, start, permanent, temporary)
           where permanent <> 0 or temporary <> 0;
          perform token_vault.add_to_ranges(change);
          return null;
        end if;

        select array_agg((profile_id, value, start, permanent, temporary)::token_vault.token_range) into change
          from (select t.profile_id, v, r, count(*) filter (where t.status = 'permanent'),
                       count(*) filter (where t.status = 'temporary')
                  from after t, token_vault.range_of(t.profile_id, t.created_at) r, token_vault.counted_values(t) v
                 where t.status in ('permanent', 'temporary') group by 1, 2, 3)
               added(profile_id, value, start, permanent, temporary);
        if change is null then return null; end if;
        perform token_vault.add_to_ranges(change);
        -- A range that has its thousand ends after the newest token. What comes later with an earlier time, and much of it,
        -- has its range divided, again and again as it grows.
        for large in
          select c.profile_id, c.start
            from unnest(change) c,
                 lateral (select permanent + temporary as n from token_vault.token_range r
                           where r.profile_id = c.profile_id and r.value = c.value and r.start = c.start offset 0) r
           where c.value = '' and r.n / 4000 > (r.n - c.permanent - c.temporary) / 4000
        loop
          perform token_vault.divide_range(large.profile_id, large.start);
        end loop;
        insert into token_vault.token_range
        select p.profile_id, '', newest.at + interval '1 microsecond', 0, 0
          from (select distinct profile_id from unnest(change)) p,
               lateral (select permanent + temporary as n from token_vault.token_range r
                         where r.profile_id = p.profile_id and value = '' order by start desc limit 1) last,
               lateral (select max(created_at) as at from token_vault.token t
                         where t.profile_id = p.profile_id and status in ('permanent', 'temporary')) newest
         where last.n >= 1000;
        return null;
      end $$;
      create trigger count_new_tokens after insert on token_vault.token
        referencing new table as after for each statement execute function token_vault.count_tokens();
      create trigger count_changed_tokens after update on token_vault.token
        referencing old table as before new table as after for each statement execute function token_vault.count_tokens();

      drop index token_vault.token_of_profile;
      create index token_listed on token_vault.token (profile_id, created_at desc, token_id desc)
        where status in ('permanent', 'temporary');
      create index token_expiring on token_vault.token (profile_id, expires_at) where status = 'temporary';
      create index token_by_extension on token_vault.token (extension_index) where extension_index is not null;
      create index token_by_data_type on token_vault.token (data_type_index) where data_type_index is not null;
      -- What there is already is counted as if it came now.
      insert into token_vault.token_range
      select t.profile_id, v, '-infinity', count(*) filter (where t.status = 'permanent'),
             count(*) filter (where t.status = 'temporary')
        from token_vault.token t, token_vault.counted_values(t) v
       where t.status in ('permanent', 'temporary') group by 1, 2;
      select token_vault.divide_range(profile_id, start) from token_vault.token_range where value = '';
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop trigger count_new_tokens on token_vault.token;
      drop trigger count_changed_tokens on token_vault.token;
      drop table token_vault.batch_item, token_vault.pending_batch, token_vault.open_retrieval, token_vault.operation, token_vault.operation_count;
      drop function token_vault.count_operations, token_vault.count_tokens, token_vault.divide_range, token_vault.add_to_ranges,
                    token_vault.range_of, token_vault.counted_values;
      drop table token_vault.token_range;
      drop index token_vault.token_listed, token_vault.token_expiring, token_vault.token_by_extension,
                 token_vault.token_by_data_type;
      create index token_of_profile on token_vault.token (profile_id, created_at desc, token_id desc);
      alter table token_vault.download drop key_id;
    `);
  }
}

export const tokenVaultMigrations = [TokenVault1700000600000, TokenVault1700000610000];
