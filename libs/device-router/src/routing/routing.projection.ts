import type {
  CopyEvent,
  DeviceEvent,
  PollEvent,
  ProfileEvent,
  ReadingEvent,
  RetrievalEvent,
  SynchronizationEvent,
  TokenEvent,
} from '@symbolon/contracts';
import { type Clock, type Instant, instant, type Recorded } from '@symbolon/kernel';
import { each, insert, type Projection, remove, type RowChange, statement, update } from '@symbolon/projection';

type AnyEvent =
  | DeviceEvent
  | ProfileEvent
  | CopyEvent
  | ReadingEvent
  | RetrievalEvent
  | TokenEvent
  | PollEvent
  | SynchronizationEvent;
type Data<T extends AnyEvent['type']> = Extract<AnyEvent, { type: T }>['data'];

const table = (name: string) => `device_router.${name}`;
const deviceTable = table('device');

/** Seconds in which some device has to answer a request for data. */
export const readingSeconds = 60;

/**
 * Which devices there are, what they hold, and what they are still to be told: one projection, so that an order goes to
 * the devices that the log knew when it was given. The couriers work off the deliveries; the answers that the log takes
 * up remove them. Made anew from the log, the deliveries are those that nobody has answered.
 */
export function routing(clock: Clock): Projection {
  return {
    name: 'device-router.routing',
    version: 2,
    categories: ['device', 'profile', 'token', 'retrieval', 'copy', 'reading', 'copying', 'poll'],
    tables: ['device', 'public_key', 'storage', 'copy', 'held', 'parcel', 'delivery', 'reading'].map(table),
    on: { ...devices, ...writes, ...deletes, ...reads(clock), ...ballots },
  };
}

const devices: Projection['on'] = {
  'device.registration_requested': (event) => {
    const { deviceIdentifier, ownerProfileId, clientId, loginKeyId } =
      event.data as Data<'device.registration_requested'>;
    return [
      insert(
        deviceTable,
        { device_identifier: deviceIdentifier },
        {
          owner_profile_id: ownerProfileId,
          command_id: event.meta.commandId,
          client_id: clientId,
          status: 'pending',
          login_key_id: loginKeyId,
          registered: boxed(event),
          created_at: event.recordedAt,
        },
      ),
    ];
  },
  'device.approved': (event) => {
    const { deviceIdentifier, secretKeyId } = event.data as Data<'device.approved'>;
    const values = { status: 'approved', secret_key_id: secretKeyId, credential: boxed(event) };
    return [update(deviceTable, { device_identifier: deviceIdentifier }, values)];
  },
  'device.configuration_rotated': (event) => {
    const { deviceIdentifier, secretKeyId } = event.data as Data<'device.configuration_rotated'>;
    const values = { secret_key_id: secretKeyId, credential: boxed(event) };
    return [update(deviceTable, { device_identifier: deviceIdentifier }, values)];
  },
  'device.rejected': (event) => {
    const { deviceIdentifier } = event.data as Data<'device.rejected'>;
    return [update(deviceTable, { device_identifier: deviceIdentifier }, { status: 'rejected', secret_key_id: null })];
  },
  'device.meta_configured': (event) => {
    const { deviceIdentifier, changed } = event.data as Data<'device.meta_configured'>;
    const values = {
      ...(changed.includes('deviceName') ? { named: boxed(event) } : {}),
      ...(changed.includes('meta') ? { described: boxed(event) } : {}),
    };
    return [update(deviceTable, { device_identifier: deviceIdentifier }, values)];
  },
  /** What it was still to delete it keeps, and nobody will ask for it. */
  'device.removed': (event) => {
    const { deviceIdentifier } = event.data as Data<'device.removed'>;
    return [
      update(deviceTable, { device_identifier: deviceIdentifier }, { status: 'removed', secret_key_id: null }),
      statement('delete from device_router.storage where device_identifier = $1', [deviceIdentifier]),
      statement(
        `with dropped as (
           delete from device_router.delivery where device_identifier = $1::uuid returning kind, token_id, version)
         delete from device_router.copy c using dropped d
          where d.kind = 'delete' and c.token_id = d.token_id and c.version <= d.version and c.device_identifier = $1::uuid`,
        [deviceIdentifier],
      ),
      askNoMore(deviceIdentifier),
    ];
  },
  'public_key.registered': keyOf,
  'public_key.replaced': keyOf,
  'storage.registered': (event) => {
    const { deviceIdentifier, profileId } = event.data as Data<'storage.registered'>;
    const key = { profile_id: profileId, device_identifier: deviceIdentifier };
    return [insert(table('storage'), key, { registered_at: event.recordedAt })];
  },
  'storage.removed': (event) => {
    const { deviceIdentifier, profileId } = event.data as Data<'storage.removed'>;
    return [
      remove(table('storage'), { profile_id: profileId, device_identifier: deviceIdentifier }),
      statement(
        `delete from device_router.delivery
          where device_identifier = $1 and profile_id = $2 and kind in ('write', 'read')`,
        [deviceIdentifier, profileId],
      ),
      askNoMore(deviceIdentifier),
    ];
  },
};

const writes: Projection['on'] = {
  'data_token.data_exchanged': orderWrite,
  'data_token.data_replaced': orderWrite,
  'data_token.write_failed': (event) => {
    const { tokenId, version } = event.data as Data<'data_token.write_failed'>;
    return [
      statement(`delete from device_router.delivery where kind = 'write' and subject_id = $1 and version = $2`, [
        tokenId,
        version,
      ]),
    ];
  },
  'storage.write_acknowledged': (event) => {
    const { tokenId, version, deviceIdentifier, sha256 } = event.data as Data<'storage.write_acknowledged'>;
    return [
      each(
        `with r as materialized (
           select * from json_to_recordset($1::json) as r(token_id uuid, version int, device_identifier uuid, sha256 text)),
         done as (
           delete from device_router.delivery d using r
            where d.kind = 'write' and d.subject_id = any(array(select token_id from r)) and d.subject_id = r.token_id
              and d.version = r.version and d.device_identifier = r.device_identifier and d.of_sha256 = r.sha256)
         insert into device_router.copy (token_id, version, device_identifier, sha256)
         select token_id, version, device_identifier, sha256 from r
             on conflict (token_id, version, device_identifier) do update set sha256 = excluded.sha256`,
        { tables: ['copy', 'delivery'].map(table), ids: [tokenId] },
        { token_id: tokenId, version, device_identifier: deviceIdentifier, sha256 },
      ),
    ];
  },
};

const deletes: Projection['on'] = {
  'data_token.deleted': (event) => {
    const { tokenId, upToVersion } = event.data as Data<'data_token.deleted'>;
    return [...orderDeletion(event, tokenId, upToVersion), forget(tokenId)];
  },
  'data_token.version_confirmed': (event) => {
    const { tokenId, version } = event.data as Data<'data_token.version_confirmed'>;
    return orderDeletion(event, tokenId, version - 1, instant(Date.parse(event.recordedAt) + 1000));
  },
  'data_token.reservation_expired': (event) => {
    const { tokenId } = event.data as Data<'data_token.reservation_expired'>;
    return [...orderDeletion(event, tokenId, null), forget(tokenId)];
  },
  'storage.delete_acknowledged': (event) => {
    const { tokenId, upToVersion, deviceIdentifier } = event.data as Data<'storage.delete_acknowledged'>;
    return [
      remove(table('delivery'), key('delete', tokenId, upToVersion, deviceIdentifier)),
      statement('delete from device_router.copy where token_id = $1 and version <= $2 and device_identifier = $3', [
        tokenId,
        upToVersion,
        deviceIdentifier,
      ]),
    ];
  },
};

const reads = (clock: Clock): Projection['on'] => ({
  'data_token.data_requested': (event) => {
    const { tokenId, profileId, requestId, version, sealedSize, sha256 } =
      event.data as Data<'data_token.data_requested'>;
    const { commandId, correlationId } = event.meta;
    return [
      each(
        `with r as materialized (
           select * from json_to_recordset($1::json) as r(
             profile_id uuid, token_id uuid, version int, sha256 text, request_id uuid, cause_id uuid, sealed_size bigint,
             command_id uuid, correlation_id text, due_at timestamptz)),
         target as (
           select r.*, d.device_identifier, exists (
                    select from device_router.copy c
                     where c.token_id = r.token_id and c.version = r.version and c.device_identifier = d.device_identifier
                       and c.sha256 = r.sha256) as holds
             from r cross join lateral (${storageOf('r.profile_id')}) d),
         told as (
           insert into device_router.delivery (kind, subject_id, version, device_identifier, of_sha256, cause_id, token_id,
                                               profile_id, sha256, sealed_size, command_id, correlation_id)
           select 'read', request_id, version, device_identifier, '', cause_id, token_id, profile_id, sha256, sealed_size,
                  command_id, correlation_id from target where holds on conflict do nothing)
         insert into device_router.reading (request_id, asked, has_storage, command_id, correlation_id, due_at)
         select request_id, coalesce(array_agg(t.device_identifier) filter (where t.holds), '{}'),
                count(t.device_identifier) > 0, r.command_id, r.correlation_id,
                case when bool_or(t.holds) then r.due_at else '-infinity' end
           from r left join target t using (request_id)
          group by request_id, r.command_id, r.correlation_id, r.due_at
         on conflict do nothing`,
        { tables: ['copy', 'delivery', 'device', 'reading', 'storage'].map(table), ids: [tokenId, requestId] },
        {
          ...{ profile_id: profileId, token_id: tokenId, version, sha256, request_id: requestId, cause_id: event.id },
          ...{ sealed_size: sealedSize, command_id: commandId, correlation_id: correlationId },
          due_at: clock.after(readingSeconds),
        },
      ),
    ];
  },
  'storage.copy_ordered': (event) => {
    const { requestId, sources, ...copyTo } = event.data as Data<'storage.copy_ordered'>;
    const { tokenId, profileId, version, deviceIdentifier, sha256, sealedSize } = copyTo;
    const { commandId, correlationId } = event.meta;
    return [
      statement(
        `with asked as (
           select device_identifier from device_router.storage join device_router.device using (device_identifier)
            where profile_id = $1::uuid and status = 'approved' and device_identifier = any($2::uuid[])),
         told as (
           insert into device_router.delivery (kind, subject_id, version, device_identifier, of_sha256, cause_id, token_id,
                                               profile_id, sha256, sealed_size, content, command_id, correlation_id)
           select 'read', $3::uuid, $4::int, device_identifier, '', $5::uuid, $6::uuid, $1::uuid, $7::text, $8::bigint,
                  '{"copying":true}', $9::uuid, $10::text from asked on conflict do nothing),
         lacking as (
           insert into device_router.copy (token_id, version, device_identifier, profile_id, sealed_size, due_sha256)
           values ($6::uuid, $4::int, $11::uuid, $1::uuid, $8::bigint, $7::text)
           on conflict (token_id, version, device_identifier) do update
              set sha256 = null, due_sha256 = excluded.due_sha256)
         insert into device_router.reading (request_id, token_id, copy_to, asked, has_storage, command_id, correlation_id, due_at)
         select $3::uuid, $6::uuid, $12::jsonb, coalesce((select array_agg(device_identifier) from asked), '{}'), true, $9::uuid, $10::text,
                case when exists (select from asked) then $13::timestamptz else '-infinity' end
         on conflict do nothing`,
        [
          profileId,
          sources,
          requestId,
          version,
          event.id,
          tokenId,
          sha256,
          sealedSize,
          commandId,
          correlationId,
          deviceIdentifier,
          JSON.stringify(copyTo),
          clock.after(readingSeconds),
        ],
      ),
    ];
  },
  'storage.read_failed': (event) => {
    const { requestId, version, deviceIdentifier } = event.data as Data<'storage.read_failed'>;
    return [remove(table('delivery'), key('read', requestId, version, deviceIdentifier))];
  },
  'storage.read_answered': (event) => (event.stream.startsWith('copying-') ? orderCopy(event) : endReading(event)),
  'storage.reading_failed': endReading,
  'data_token.retrieval_failed': endReading,
});

/** A device has its ballot until it has voted or the ballot is void, and is told of that as long as it could have voted. */
const ballots: Projection['on'] = {
  'ballot.issued': (event) => {
    const { ballotId, poolId, deviceIdentifier, expiresAt, statement: signed } = event.data as Data<'ballot.issued'>;
    const { commandId, correlationId } = event.meta;
    return [
      statement(
        `insert into device_router.delivery (kind, subject_id, version, device_identifier, of_sha256, cause_id, content, expires_at,
                                             command_id, correlation_id)
         select 'ballot', $1::uuid, 0, device_identifier, '', $3::uuid, $4::jsonb, $5::timestamptz, $6::uuid, $7::text
           from device_router.device where device_identifier = $2::uuid and status = 'approved' on conflict do nothing`,
        [
          ballotId,
          deviceIdentifier,
          event.id,
          JSON.stringify({ poolId, statement: signed }),
          expiresAt,
          commandId,
          correlationId,
        ],
      ),
    ];
  },
  'ballot.cast': (event) => {
    const { ballotId, deviceIdentifier } = event.data as Data<'ballot.cast'>;
    return [remove(table('delivery'), key('ballot', ballotId, 0, deviceIdentifier))];
  },
  'ballot.voided': (event) => {
    const { ballotId, poolId, deviceIdentifier, reason } = event.data as Data<'ballot.voided'>;
    return [
      statement(
        `with voided as (
           delete from device_router.delivery
            where kind = 'ballot' and subject_id = $1::uuid and version = 0 and device_identifier = $2::uuid and of_sha256 = ''
           returning expires_at, command_id, correlation_id)
         insert into device_router.delivery (kind, subject_id, version, device_identifier, of_sha256, cause_id, content, expires_at,
                                             command_id, correlation_id)
         select 'ballot_voided', $1::uuid, 0, $2::uuid, '', $3::uuid, $4::jsonb, expires_at, command_id, correlation_id from voided
             on conflict do nothing`,
        [ballotId, deviceIdentifier, event.id, JSON.stringify({ poolId, reason })],
      ),
    ];
  },
  /** Nobody needs to vote any more; what is left is voided, before this event or after it. */
  'poll.resolved': (event) => {
    const { poolId } = event.data as Data<'poll.resolved'>;
    return [
      statement(
        `update device_router.delivery set next_at = 'infinity' where kind = 'ballot' and content->>'poolId' = $1`,
        [poolId],
      ),
    ];
  },
};

function orderWrite(event: Recorded): RowChange[] {
  const { tokenId, profileId, version, sealedSize, sha256, dataKey } = event.data as Data<
    'data_token.data_exchanged' | 'data_token.data_replaced'
  >;
  const { commandId, correlationId } = event.meta;
  return [
    each(
      `with r as materialized (
         select * from json_to_recordset($1::json) as r(
           profile_id uuid, token_id uuid, version int, parcel_id uuid, sha256 text, cause_id uuid, sealed_size bigint,
           command_id uuid, correlation_id text)),
       target as (
         select r.*, d.device_identifier from r cross join lateral (${storageOf('r.profile_id')}) d),
       held as (
         insert into device_router.parcel (parcel_id, token_id) select parcel_id, token_id from r on conflict do nothing),
       told as (
         insert into device_router.copy (token_id, version, device_identifier, profile_id, sealed_size)
         select token_id, version, device_identifier, profile_id, sealed_size from target
             on conflict (token_id, version, device_identifier) do update
            set sha256 = null, due_sha256 = null, sealed_size = excluded.sealed_size)
       insert into device_router.delivery (kind, subject_id, version, device_identifier, of_sha256, cause_id, token_id,
                                           profile_id, parcel_id, sha256, sealed_size, command_id, correlation_id)
       select 'write', token_id, version, device_identifier, sha256, cause_id, token_id, profile_id, parcel_id, sha256,
              sealed_size, command_id, correlation_id from target on conflict do nothing`,
      { tables: ['copy', 'delivery', 'device', 'parcel', 'storage'].map(table), ids: [tokenId] },
      {
        ...{ profile_id: profileId, token_id: tokenId, version, parcel_id: dataKey.keyId, sha256, cause_id: event.id },
        ...{ sealed_size: sealedSize, command_id: commandId, correlation_id: correlationId },
      },
    ),
  ];
}

/** The devices that store for a profile, by the index, however few the planner believes there are. */
function storageOf(profileId: string): string {
  return `select device_identifier from device_router.storage join device_router.device using (device_identifier)
           where profile_id = ${profileId} and status = 'approved' offset 0`;
}

function keyOf(event: Recorded): RowChange[] {
  const { profileId, publicKey, signingKey } = event.data as Data<'public_key.registered'>;
  return [insert(table('public_key'), { profile_id: profileId }, { public_key: publicKey, signing_key: signingKey })];
}

/** A device that has nothing left to answer is not waited for. */
function askNoMore(deviceIdentifier: string): RowChange {
  return statement(
    `update device_router.reading r
        set asked = array_remove(asked, $1::uuid),
            due_at = case when asked = array[$1::uuid] then '-infinity' else due_at end
      where $1::uuid = any(asked) and not exists (
        select from device_router.delivery d
         where d.kind = 'read' and d.subject_id = r.request_id and d.device_identifier = $1::uuid)`,
    [deviceIdentifier],
  );
}

/** The token is gone: what devices still have of it is no copy. Those that can no longer be told are forgotten. */
function forget(tokenId: string): RowChange {
  return statement(
    `with known as (
       delete from device_router.copy c using device_router.device d
        where c.token_id = $1 and d.device_identifier = c.device_identifier and d.status <> 'approved')
     update device_router.copy c set sha256 = null, due_sha256 = null from device_router.device d
      where c.token_id = $1 and d.device_identifier = c.device_identifier and d.status = 'approved'`,
    [tokenId],
  );
}

/**
 * Every device that was told to hold the token is told to delete it, also where the order has not reached it. With
 * `notBefore`, not before that and not while a request for these versions waits for its answer.
 */
function orderDeletion(
  event: Recorded,
  tokenId: string,
  upToVersion: number | null,
  notBefore: Instant | null = null,
): RowChange[] {
  return [
    statement(
      `with told as (
         select device_identifier, coalesce($2::int, max(version)) as version from device_router.copy
          where token_id = $1::uuid and ($2::int is null or version <= $2::int) group by device_identifier),
       voided as (
         delete from device_router.delivery
          where token_id = $1::uuid and kind = 'write' and ($2::int is null or version <= $2::int))
       insert into device_router.delivery (kind, subject_id, version, device_identifier, of_sha256, cause_id, token_id,
                                           command_id, correlation_id, next_at)
       select 'delete', $1::uuid, version, device_identifier, '', $3::uuid, $1::uuid, $4::uuid, $5::text,
              case when $6::timestamptz is null then '-infinity' else greatest($6::timestamptz, (
                select max(r.due_at) from device_router.delivery d join device_router.reading r on r.request_id = d.subject_id
                 where d.kind = 'read' and d.token_id = $1::uuid and d.version <= $2::int)) end
         from told join device_router.device using (device_identifier) where status = 'approved' on conflict do nothing`,
      [tokenId, upToVersion, event.id, event.meta.commandId, event.meta.correlationId, notBefore],
    ),
    statement(
      `with ended as (
         delete from device_router.reading
          where token_id = $1::uuid and ($2::int is null or (copy_to->>'version')::int <= $2::int) returning request_id)
       delete from device_router.delivery d using ended e where d.kind = 'read' and d.subject_id = e.request_id`,
      [tokenId, upToVersion],
    ),
  ];
}

/** What was read for another device is written to it, if it is still to store for this profile. */
function orderCopy(event: Recorded): RowChange[] {
  const { requestId, parcelId } = event.data as Data<'storage.read_answered'>;
  return [
    statement(
      `with ended as (
         delete from device_router.reading where request_id = $1::uuid returning token_id, command_id, correlation_id, copy_to),
       stopped as (
         delete from device_router.delivery where kind = 'read' and subject_id = $1::uuid),
       target as (
         select e.* from ended e
           join device_router.storage s on s.profile_id = (copy_to->>'profileId')::uuid
            and s.device_identifier = (copy_to->>'deviceIdentifier')::uuid),
       kept as (
         insert into device_router.parcel (parcel_id, token_id) select $2::uuid, token_id from ended on conflict do nothing)
       insert into device_router.delivery (kind, subject_id, version, device_identifier, of_sha256, cause_id, token_id,
                                           profile_id, parcel_id, sha256, sealed_size, command_id, correlation_id)
       select 'write', token_id, (copy_to->>'version')::int, (copy_to->>'deviceIdentifier')::uuid, copy_to->>'sha256', $3::uuid,
              token_id, (copy_to->>'profileId')::uuid, $2::uuid, copy_to->>'sha256', (copy_to->>'sealedSize')::bigint,
              command_id, correlation_id from target on conflict do nothing`,
      [requestId, parcelId, event.id],
    ),
  ];
}

function endReading(event: Recorded): RowChange[] {
  const { requestId } = event.data as { requestId: string };
  return [
    each(
      `with r as materialized (select request_id from json_to_recordset($1::json) as r(request_id uuid)),
       ended as (
         delete from device_router.reading where request_id = any(array(select request_id from r)))
       delete from device_router.delivery where kind = 'read' and subject_id = any(array(select request_id from r))`,
      { tables: ['delivery', 'reading'].map(table), ids: [requestId] },
      { request_id: requestId },
    ),
  ];
}

function key(kind: string, subjectId: string, version: number, deviceIdentifier: string, ofSha256 = '') {
  return { kind, subject_id: subjectId, version, device_identifier: deviceIdentifier, of_sha256: ofSha256 };
}

function boxed({ id, type, data }: Recorded): object {
  return { id, type, data };
}
