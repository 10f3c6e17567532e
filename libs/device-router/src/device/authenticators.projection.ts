import type { VotingEvent } from '@symbolon/contracts';
import type { Recorded } from '@symbolon/kernel';
import { insert, type Projection, remove, statement } from '@symbolon/projection';

const table = 'device_router.authenticator';

/** Which devices vote for whom: row 37 lists the roles of a device, whoever gives them. */
export const authenticators: Projection = {
  name: 'device-router.authenticators',
  version: 1,
  categories: ['voting', 'device'],
  tables: [table],
  on: {
    'authenticator.registered': (event) => [insert(table, roleOf(event))],
    'authenticator.removed': (event) => [remove(table, roleOf(event))],
    /** That it is no authenticator any more is recorded only after it. */
    'device.removed': ({ data }) => {
      const { deviceIdentifier } = data as { deviceIdentifier: string };
      return [statement(`delete from ${table} where device_identifier = $1`, [deviceIdentifier])];
    },
  },
};

function roleOf({ data }: Recorded) {
  const { deviceIdentifier, profileId } = data as Extract<VotingEvent, { type: 'authenticator.removed' }>['data'];
  return { device_identifier: deviceIdentifier, profile_id: profileId };
}
