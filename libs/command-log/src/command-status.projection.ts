import type {
  CommandAccepted,
  CommandPendingVote,
  CommandRejected,
  PollCreated,
  PollRefused,
  PollResolved,
} from '@symbolon/contracts';
import type { Recorded } from '@symbolon/kernel';
import { insert, type Projection, type RowChange, update } from '@symbolon/projection';

const table = 'command_log.command_status';
const polls = 'command_log.command_poll';

/** Read by row 2 and by whoever waits for a command's end. The result stays in its event's box. */
export const commandStatus: Projection = {
  name: 'command-log.command-status',
  version: 2,
  categories: ['command', 'poll'],
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
    'command.pending_vote': (event) => {
      const { commandId, poolIds } = event.data as CommandPendingVote['data'];
      return [
        update(table, { command_id: commandId }, { status: 'pending_vote', updated_at: event.recordedAt }),
        // Without saying that they are open: that is told by their own events, which may be here already.
        ...poolIds.map((poolId) => insert(polls, { pool_id: poolId }, { command_id: commandId })),
      ];
    },
    'poll.created': (event) => pollOf(event.data as PollCreated['data'], true),
    'poll.resolved': (event) => pollOf(event.data as PollResolved['data'], false),
    'poll.refused': (event) => pollOf(event.data as PollRefused['data'], false),
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

function pollOf({ poolId, commandId }: { poolId: string; commandId: string | null }, open: boolean): RowChange[] {
  return commandId === null ? [] : [insert(polls, { pool_id: poolId }, { command_id: commandId, open })];
}
