import type { MigrationInterface, QueryRunner } from 'typeorm';

export class DeviceRouter1700000700000 implements MigrationInterface {
  readonly name = 'DeviceRouter1700000700000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create schema if not exists device_router;

      create table device_router.device (
        device_identifier uuid primary key,
        owner_profile_id  uuid not null,
        command_id        uuid,
        client_id         uuid not null unique,
        status            text not null,
        login_key_id      uuid not null,
        -- Events whose boxes hold name, meta and login, and the channel secret.
        registered        jsonb not null,
        secret_key_id     uuid,
        credential        jsonb,
        created_at        timestamptz not null
      );
      create index device_owner on device_router.device (owner_profile_id, created_at desc, device_identifier desc);
      create unique index device_command on device_router.device (command_id);

      -- Of every profile: the key of a device may be registered before the device is known here.
      create table device_router.public_key (
        profile_id  uuid primary key,
        public_key  text not null,
        signing_key text
      );

      create table device_router.storage (
        profile_id        uuid not null,
        device_identifier uuid not null,
        registered_at     timestamptz not null,
        primary key (profile_id, device_identifier)
      );
      create index storage_device on device_router.storage (device_identifier);

      -- What a device was told to hold; with a digest once it has acknowledged these bytes.
      create table device_router.copy (
        token_id          uuid not null,
        version           int not null,
        device_identifier uuid not null,
        sha256            text,
        primary key (token_id, version, device_identifier)
      );
      create index copy_held on device_router.copy (device_identifier, token_id) where sha256 is not null;

      -- Parcels that were to be written; a row goes with its parcel.
      create table device_router.parcel (
        parcel_id uuid primary key,
        token_id  uuid not null
      );
      create index parcel_token on device_router.parcel (token_id);

      -- What devices are still to answer. The projection makes and removes rows; the columns below are the courier's.
      create table device_router.delivery (
        kind               text not null, -- write, read, delete
        subject_id         uuid not null, -- the token; of a read the request
        version            int not null,
        device_identifier  uuid not null,
        of_sha256          text not null, -- of a write: an acknowledgement of other bytes does not end it
        cause_id           uuid not null,
        token_id           uuid not null,
        parcel_id          uuid,
        sha256             text,
        sealed_size        bigint,
        command_id         uuid,
        correlation_id     text not null,
        number             bigint generated always as identity,
        attempts           int not null default 0,
        next_at            timestamptz not null default '-infinity',
        round              int not null default 0,
        envelope_id        uuid,
        envelope_at        timestamptz,
        returned_parcel_id uuid,
        primary key (kind, subject_id, version, device_identifier, of_sha256)
      );
      create index delivery_due on device_router.delivery (device_identifier, next_at, number);
      create index delivery_token on device_router.delivery (token_id);
      create index delivery_envelope on device_router.delivery (envelope_id);
      create index delivery_returned on device_router.delivery (returned_parcel_id) where returned_parcel_id is not null;

      -- Requests for data that nobody has answered usably.
      create table device_router.reading (
        request_id  uuid primary key,
        asked       uuid[] not null,
        has_storage boolean not null,
        command_id  uuid,
        correlation_id text not null,
        due_at      timestamptz not null
      );
      create index reading_due on device_router.reading (due_at);

      create table device_router.presence (
        device_identifier uuid primary key,
        last_seen         timestamptz not null
      );

      -- Ids of messages that were taken, and what was answered.
      create table device_router.seen (
        device_identifier uuid not null,
        id                uuid not null,
        answer            jsonb,
        keep_until        timestamptz not null,
        primary key (device_identifier, id)
      );
      create index seen_until on device_router.seen (keep_until);

      -- A message has the same id at every redelivery; a new round, after six days, makes a new one (RFC 9562, UUIDv8).
      create function device_router.envelope_id(cause uuid, device uuid, round int) returns uuid
      language sql immutable strict as $$
        select (substr(h, 1, 12) || '8' || substr(h, 14, 3) || '8' || substr(h, 18, 15))::uuid
          from encode(sha256(convert_to(concat_ws('/', cause, device, round), 'UTF8')), 'hex') as h
      $$;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop schema device_router cascade');
  }
}

export class DeviceRouterBallots1700000710000 implements MigrationInterface {
  readonly name = 'DeviceRouterBallots1700000710000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- Ballots lie among the deliveries: kinds ballot and ballot_voided, whose subject is the ballot.
      alter table device_router.delivery
        alter token_id drop not null,
        add profile_id uuid,
        add content    jsonb,
        add expires_at timestamptz;
      -- Whose data it is, and the length of its L2 bytes.
      alter table device_router.copy
        add profile_id  uuid,
        add sealed_size bigint;
      drop index device_router.copy_held;
      create index copy_held on device_router.copy (profile_id, token_id) where sha256 is not null;

      -- How many tokens of a profile a device holds: kept by the triggers below, since counting takes as long as there are many.
      create table device_router.held (
        profile_id        uuid not null,
        device_identifier uuid not null,
        tokens            bigint not null,
        primary key (profile_id, device_identifier)
      ) with (fillfactor = 50);
      create function device_router.count_held() returns trigger language plpgsql as $$
      begin
        insert into device_router.held as h (profile_id, device_identifier, tokens)
        select t.profile_id, t.device_identifier,
               sum(exists (select from device_router.copy c
                            where c.token_id = t.token_id and c.device_identifier = t.device_identifier
                              and c.sha256 is not null)::int
                   - (exists (select from before b
                               where b.token_id = t.token_id and b.device_identifier = t.device_identifier
                                 and b.sha256 is not null)
                      or exists (select from device_router.copy c
                                  where c.token_id = t.token_id and c.device_identifier = t.device_identifier
                                    and c.sha256 is not null
                                    and not exists (select from after a
                                                     where a.token_id = c.token_id and a.version = c.version
                                                       and a.device_identifier = c.device_identifier)))::int)
          from (select distinct a.profile_id, a.device_identifier, a.token_id
                  from after a join before b using (token_id, version, device_identifier)
                 where (a.sha256 is null) <> (b.sha256 is null) and a.profile_id is not null) t
         group by t.profile_id, t.device_identifier
            on conflict (profile_id, device_identifier) do update set tokens = h.tokens + excluded.tokens;
        return null;
      end $$;
      create function device_router.count_gone() returns trigger language plpgsql as $$
      begin
        update device_router.held h set tokens = h.tokens - gone.tokens
          from (select b.profile_id, b.device_identifier, count(distinct b.token_id) as tokens
                  from before b
                 where b.sha256 is not null
                   and not exists (select from device_router.copy c
                                    where c.token_id = b.token_id and c.device_identifier = b.device_identifier
                                      and c.sha256 is not null)
                 group by b.profile_id, b.device_identifier) gone
         where h.profile_id = gone.profile_id and h.device_identifier = gone.device_identifier;
        return null;
      end $$;
      create trigger copy_acknowledged after update on device_router.copy
        referencing old table as before new table as after for each statement execute function device_router.count_held();
      create trigger copy_gone after delete on device_router.copy
        referencing old table as before for each statement execute function device_router.count_gone();

      -- What a configuration changed, as events whose boxes hold it.
      alter table device_router.device
        add named     jsonb,
        add described jsonb;
      create index delivery_expiry on device_router.delivery (expires_at) where expires_at is not null;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      delete from device_router.delivery where token_id is null;
      drop trigger copy_acknowledged on device_router.copy;
      drop trigger copy_gone on device_router.copy;
      drop function device_router.count_held(), device_router.count_gone();
      drop table device_router.held;
      drop index device_router.copy_held;
      create index copy_held on device_router.copy (device_identifier, token_id) where sha256 is not null;
      alter table device_router.copy drop profile_id, drop sealed_size;
      alter table device_router.device drop named, drop described;
      alter table device_router.delivery
        alter token_id set not null,
        drop profile_id,
        drop content,
        drop expires_at;
    `);
  }
}

export class DeviceRouterSynchronization1700000711000 implements MigrationInterface {
  readonly name = 'DeviceRouterSynchronization1700000711000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- A reading may be for another device: then copy_to says for which, and what it is to write.
      alter table device_router.reading
        add token_id uuid,
        add copy_to  jsonb;
      create index reading_token on device_router.reading (token_id) where token_id is not null;
      drop index device_router.copy_held;
      -- What a synchronization is to bring: known also when no device holds it any more.
      alter table device_router.copy add due_sha256 text;
      create index copy_held on device_router.copy (profile_id, token_id, version desc)
        where sha256 is not null or due_sha256 is not null;

      -- Synchronizations that are under way, and what they have still to do. None of this is made from the log.
      create table device_router.synchronization (
        command_id        uuid primary key,
        profile_id        uuid not null,
        device_identifier uuid not null,
        source            uuid,
        phase             text not null default 'inventory', -- inventory, comparing, copying
        page              int not null default 0,
        after             text,
        inventory_id      uuid,
        inventory_at      timestamptz,
        sent_at           timestamptz not null default '-infinity',
        token_after       uuid not null default '00000000-0000-0000-0000-000000000000',
        token_last        uuid,
        total             bigint not null default 0,
        missing           bigint not null default 0,
        progressed_at     timestamptz not null,
        leased_by         uuid,
        leased_until      timestamptz not null default '-infinity'
      );
      create index synchronization_inventory on device_router.synchronization (inventory_id);
      create table device_router.inventory (
        command_id uuid not null references device_router.synchronization on delete cascade,
        object_id  text not null,
        version    int not null,
        sha256     text not null,
        signed     boolean not null,
        primary key (command_id, object_id, version)
      );
      create table device_router.synchronization_item (
        command_id  uuid not null references device_router.synchronization on delete cascade,
        token_id    uuid not null,
        version     int not null,
        sha256      text not null,
        sealed_size bigint not null,
        round       int not null default 0, -- 0 = not ordered yet
        asked       uuid[] not null default '{}',
        request_id  uuid,
        ordered_at  timestamptz,
        primary key (command_id, token_id)
      );
      create index synchronization_ordered on device_router.synchronization_item (command_id) where round > 0;
      create index synchronization_waiting on device_router.synchronization_item (command_id, token_id) where round = 0;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop table device_router.synchronization_item, device_router.inventory, device_router.synchronization;
      drop index device_router.copy_held;
      alter table device_router.copy drop due_sha256;
      create index copy_held on device_router.copy (profile_id, token_id) where sha256 is not null;
      alter table device_router.reading drop token_id, drop copy_to;
    `);
  }
}

export class DeviceRouterAuthenticators1700000712000 implements MigrationInterface {
  readonly name = 'DeviceRouterAuthenticators1700000712000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table device_router.authenticator (
        device_identifier uuid not null,
        profile_id        uuid not null,
        primary key (device_identifier, profile_id)
      );
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table device_router.authenticator');
  }
}

export const deviceRouterMigrations = [
  DeviceRouter1700000700000,
  DeviceRouterBallots1700000710000,
  DeviceRouterSynchronization1700000711000,
  DeviceRouterAuthenticators1700000712000,
];
