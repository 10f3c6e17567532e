import type { PolicyDeleted, PolicyRegistered, VotingConfigurationRegistered } from '@symbolon/contracts';
import type { Recorded } from '@symbolon/kernel';
import { insert, type Projection, remove, update } from '@symbolon/projection';

const table = 'policy.policy';
const names = 'policy.voting_configuration';

/** Read by rows 61, 62, 66 and 67. The configuration stays in its event's box. */
export const policyList: Projection = {
  name: 'policy.policy-list',
  version: 1,
  categories: ['policies', 'voting'],
  tables: [table, names],
  on: {
    'policy.registered': (event) => {
      const { sealed, ...data } = event.data as PolicyRegistered['data'] & { sealed?: unknown };
      const values = {
        profile_id: data.profileId,
        name: data.name,
        template_id: data.policyTemplateId,
        event_ids: data.applyingEventIds,
        registered: { id: event.id, data: { sealed } },
        voting_configuration_id: data.votingConfigurationId,
        active: false,
        created_at: event.recordedAt,
        updated_at: event.recordedAt,
      };
      return [insert(table, { id: data.id }, values)];
    },
    'policy.activated': (event) => [turned(event, true)],
    'policy.deactivated': (event) => [turned(event, false)],
    'policy.deleted': ({ data }) => [remove(table, { id: (data as PolicyDeleted['data']).id })],
    'voting_configuration.registered': ({ data }) => {
      const { id, name } = data as VotingConfigurationRegistered['data'];
      return [insert(names, { id }, { name })];
    },
    'voting_configuration.deleted': ({ data }) => [remove(names, { id: (data as { id: string }).id })],
  },
};

function turned(event: Recorded, active: boolean) {
  return update(table, { id: (event.data as { id: string }).id }, { active, updated_at: event.recordedAt });
}
