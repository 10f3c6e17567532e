import type { CommandAccepted, CommandRejected, PollCreated, PollResolved, ProfileDeleted } from '@symbolon/contracts';
import type { Recorded } from '@symbolon/kernel';
import { insert, type Projection, statement, update } from '@symbolon/projection';

const table = 'command_log.command_status';
const polls = 'command_log.command_poll';

/** Read by row 2 and by whoever waits for a command's end. The result stays in its event's box. */
export const commandStatus: Projection = {
  name: 'command-log.command-status',
  version: 3,
  categories: ['command', 'poll', 'profile'],
  tables: [table, polls],
  on: {
    'command.accepted': (event) => {
      const data = event.data as CommandAccepted['data'];
      return [
        insert(
          table,
          { command_id: data.commandId },
          {
            type: data.commandType,
            profile_id: data.profileId,
            application_id: event.meta.actor.applicationId ?? null,
            anonymous: data.anonymous,
            part_of: data.partOf,
            request_id: data.requestId,
            status: 'started',
            reason: null,
            result: null,
            created_at: event.recordedAt,
            updated_at: event.recordedAt,
          },
        ),
      ];
    },
    // Not `command.pending_vote`: it says which polls are to come, and those that cannot be held never do.
    'poll.created': (event) => {
      const { poolId, commandId, gated } = event.data as PollCreated['data'];
      if (commandId === null) return [];
      if (!gated) return [insert(polls, { pool_id: poolId }, { command_id: commandId, open: true })];
      return [asks(poolId, commandId), pendingVote(event, commandId)];
    },
    'poll.resolved': ({ data }) => [update(polls, { pool_id: (data as PollResolved['data']).poolId }, { open: false })],
    // Also what was issued without a token is then for nobody to read (contract, section 12).
    'profile.deleted': (event) => [
      statement(`update ${table} set anonymous = false where profile_id = $1 and anonymous`, [
        (event.data as ProfileDeleted['data']).profileId,
      ]),
    ],
    'command.succeeded': (event) => [final(event, { status: 'succeeded', result: { id: event.id, data: event.data } })],
    'command.rejected': (event) => [
      final(event, { status: 'rejected', reason: (event.data as CommandRejected['data']).reason }),
    ],
  },
};

function final(event: Recorded, values: Record<string, unknown>) {
  const { commandId } = event.data as { commandId: string };
  return update(table, { command_id: commandId }, { ...values, updated_at: event.recordedAt });
}

/** A poll that was opened too late, for a command that another one has ended, is none that its status names. */
function asks(poolId: string, commandId: string) {
  return statement(
    `insert into ${polls} (pool_id, command_id, open) select $1, command_id, true from ${table}
      where command_id = $2 and status in ('started', 'pending_vote') on conflict do nothing`,
    [poolId, commandId],
  );
}

/** A status never moves back. */
function pendingVote({ recordedAt }: Recorded, commandId: string) {
  return statement(
    `update ${table} set status = 'pending_vote', updated_at = $2::timestamptz where command_id = $1 and status = 'started'`,
    [commandId, recordedAt],
  );
}
