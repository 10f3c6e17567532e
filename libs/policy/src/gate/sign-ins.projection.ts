import type { Authenticated } from '@symbolon/contracts';
import type { Recorded } from '@symbolon/kernel';
import { insert, type Projection, statement } from '@symbolon/projection';

const table = 'policy.sign_in';

/** Names the blind index: what it gives can be compared with nothing else. */
export const addressColumn = 'policy.sign_in.address';

/** When a profile last signed in from an address, which is kept as a keyed hash only. */
export const signIns: Projection = {
  name: 'policy.sign-ins',
  version: 1,
  categories: ['session', 'profile'],
  tables: [table],
  on: {
    'profile.authenticated': async (event, boxes) => {
      const { profileId } = event.data as Authenticated['data'];
      const ip = (await boxes.open(event, event.meta.actor.profileId ?? profileId))?.['ip'];
      const hash = typeof ip === 'string' ? await boxes.blindIndex(profileId, addressColumn, ip) : '';
      if (hash === '') return [];
      return [insert(table, { profile_id: profileId, address_hash: hash }, { last_at: event.recordedAt })];
    },
    // Who signs in no more has no addresses to compare; of the erased, rows made anew would not have them.
    'profile.deleted': forget,
    'profile.barred': forget,
  },
};

function forget({ data }: Recorded) {
  return [statement('delete from policy.sign_in where profile_id = $1', [(data as { profileId: string }).profileId])];
}
