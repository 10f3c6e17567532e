import type { DeviceEvent, PollEvent, VotingEvent } from '@symbolon/contracts';
import type { Recorded } from '@symbolon/kernel';
import { insert, type Projection, remove, statement, update } from '@symbolon/projection';

type AnyEvent = VotingEvent | PollEvent | DeviceEvent;
type Data<T extends AnyEvent['type']> = Extract<AnyEvent, { type: T }>['data'];

const table = (name: string) => `voting.${name}`;

/** Who may vote, how polls are held, and how they stand. */
export const votingProjection: Projection = {
  name: 'voting.polls',
  version: 1,
  categories: ['voting', 'poll', 'device'],
  tables: ['device', 'authenticator', 'configuration', 'poll', 'ballot'].map(table),
  on: {
    'device.registration_requested': (event) => {
      const { deviceIdentifier, ownerProfileId } = event.data as Data<'device.registration_requested'>;
      const row = { owner_profile_id: ownerProfileId, named: boxed(event) };
      return [insert(table('device'), { device_identifier: deviceIdentifier }, row)];
    },
    // By what the event says in the clear: also where its box is erased, a replay gives the same row.
    'device.meta_configured': (event) => {
      const { deviceIdentifier, changed } = event.data as Data<'device.meta_configured'>;
      const named = { named: boxed(event) };
      return changed.includes('deviceName')
        ? [update(table('device'), { device_identifier: deviceIdentifier }, named)]
        : [];
    },
    /** Seen at once: that it is no authenticator any more, and its ballots void, is recorded only after it. */
    'device.removed': (event) => {
      const { deviceIdentifier } = event.data as { deviceIdentifier: string };
      return [
        statement('delete from voting.authenticator where device_identifier = $1', [deviceIdentifier]),
        statement(`update voting.ballot set state = 'voided' where device_identifier = $1 and state = 'open'`, [
          deviceIdentifier,
        ]),
      ];
    },
    'authenticator.registered': (event) => {
      const row = { verified: false, registered_at: event.recordedAt, last_vote_at: null };
      return [insert(table('authenticator'), authenticator(event), row)];
    },
    'authenticator.verified': (event) => [update(table('authenticator'), authenticator(event), { verified: true })],
    'authenticator.removed': (event) => [remove(table('authenticator'), authenticator(event))],
    'voting_configuration.registered': (event) => {
      const { id, profileId, name, ...fields } = event.data as Data<'voting_configuration.registered'>;
      const times = { created_at: event.recordedAt, updated_at: event.recordedAt };
      return [insert(table('configuration'), { id }, { profile_id: profileId, name, fields, ...times })];
    },
    'voting_configuration.updated': (event) => {
      const { id, ...changed } = event.data as Data<'voting_configuration.updated'>;
      return [
        statement(
          'update voting.configuration set fields = fields || $2::jsonb, updated_at = $3::timestamptz where id = $1',
          [id, JSON.stringify(changed), event.recordedAt],
        ),
      ];
    },
    'voting_configuration.deleted': (event) => {
      const { id } = event.data as Data<'voting_configuration.deleted'>;
      return [remove(table('configuration'), { id })];
    },
    'poll.created': (event) => {
      const { poolId, profileId } = event.data as Data<'poll.created'>;
      const row = { profile_id: profileId, created: boxed(event), status: 'open', created_at: event.recordedAt };
      return [
        insert(table('poll'), { pool_id: poolId }, { ...row, reason: null, next_pool_id: null, resolved_at: null }),
      ];
    },
    'ballot.issued': (event) => {
      const { ballotId, poolId, deviceIdentifier } = event.data as Data<'ballot.issued'>;
      const row = { pool_id: poolId, device_identifier: deviceIdentifier, state: 'open', vote: null };
      return [insert(table('ballot'), { ballot_id: ballotId }, row)];
    },
    'ballot.cast': (event) => {
      const { ballotId, deviceIdentifier, vote } = event.data as Data<'ballot.cast'>;
      return [
        update(table('ballot'), { ballot_id: ballotId }, { state: 'cast', vote }),
        statement('update voting.authenticator set last_vote_at = $2::timestamptz where device_identifier = $1', [
          deviceIdentifier,
          event.recordedAt,
        ]),
      ];
    },
    'ballot.voided': (event) => {
      const { ballotId } = event.data as Data<'ballot.voided'>;
      return [update(table('ballot'), { ballot_id: ballotId }, { state: 'voided' })];
    },
    'poll.resolved': (event) => {
      const { poolId, outcome, reason, nextPoolId } = event.data as Data<'poll.resolved'>;
      const row = { status: outcome, reason, next_pool_id: nextPoolId, resolved_at: event.recordedAt };
      return [update(table('poll'), { pool_id: poolId }, row)];
    },
    /** The next attempt that was announced is none. */
    'poll.refused': (event) => {
      const { poolId } = event.data as Data<'poll.refused'>;
      return [statement('update voting.poll set next_pool_id = null where next_pool_id = $1', [poolId])];
    },
  },
};

function authenticator(event: Recorded) {
  const { profileId, deviceIdentifier } = event.data as Data<'authenticator.registered'>;
  return { profile_id: profileId, device_identifier: deviceIdentifier };
}

function boxed({ id, type, data }: Recorded): object {
  return { id, type, data };
}
