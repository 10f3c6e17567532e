import type { CommandAccepted, CommandRejected } from '@symbolon/contracts';
import type { Recorded } from '@symbolon/kernel';
import { insert, type Projection, update } from '@symbolon/projection';

const table = 'command_log.command_status';

/** Read by row 2 and by whoever waits for a command's end. The result stays in its event's box. */
export const commandStatus: Projection = {
  name: 'command-log.command-status',
  version: 1,
  categories: ['command'],
  tables: [table],
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
