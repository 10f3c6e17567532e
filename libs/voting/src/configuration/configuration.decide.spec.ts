import {
  policies,
  type PolicyEvent,
  voting,
  type VotingConfigurationFields,
  type VotingEvent,
} from '@symbolon/contracts';
import { scenario } from '@symbolon/testing';
import { deleteConfiguration } from '../delete-configuration/delete-configuration.decide';
import { registerConfiguration } from '../register-configuration/register-configuration.decide';
import { removeAuthenticator, withdrawAuthenticator } from '../remove-authenticator/remove-authenticator.decide';
import { setQuorumSize } from '../set-quorum-size/set-quorum-size.decide';
import { updateConfiguration } from '../update-configuration/update-configuration.decide';

const profileId = 'ada';
const fields: VotingConfigurationFields = {
  ...{ strategy: 'affirmative', strategyParams: null, countRequired: null, percentageRequired: null, timeLimit: 60 },
  ...{ deviceIdentifiers: [], quorumSize: null, numberOfAttempts: null, category: null },
};
const authenticator = (deviceIdentifier: string): VotingEvent[] =>
  (['authenticator.registered', 'authenticator.verified'] as const).map((type) => ({
    ...{ type, version: 1, data: { deviceIdentifier, profileId } },
  }));
const removed = (deviceIdentifier: string): VotingEvent => ({
  ...{ type: 'authenticator.removed', version: 1, data: { deviceIdentifier, profileId } },
});
const quorum = (quorumSize: number): VotingEvent => ({
  ...{ type: 'voting.quorum_size_set', version: 1, data: { profileId, quorumSize } },
});
const registered = (id: string, change: Partial<VotingConfigurationFields> = {}): VotingEvent => ({
  ...{
    type: 'voting_configuration.registered',
    version: 1,
    data: { id, profileId, name: `name of ${id}`, ...fields, ...change },
  },
});
const known = (...events: PolicyEvent[]) =>
  events.reduce((state, event) => policies.evolve(state, event), policies.initial);
const policy = (id: string, votingConfigurationId: string | null = null): PolicyEvent => ({
  type: 'policy.registered',
  version: 1,
  data: {
    ...{ id, profileId, name: id, policyTemplateId: 'data_access', votingConfigurationId },
    applyingEventIds: ['data_token.data_requested'],
  },
});
const active = (id: string): PolicyEvent => ({ type: 'policy.activated', version: 1, data: { id } });
const none = known();
const bySettings = known(policy('p'), active('p'));

describe('an active policy', () => {
  const [one, two] = [authenticator('one'), authenticator('two')];

  test('keeps its quorum within reach', () => {
    const { given } = scenario(voting, setQuorumSize);
    given(...one, ...two)
      .when({ profileId, quorumSize: 2, policies: bySettings })
      .then(quorum(2));
    given(...one, ...two)
      .when({ profileId, quorumSize: 3, policies: bySettings })
      .refused('voting.quorum_exceeds_authenticators');
    given(...one, ...two)
      .when({ profileId, quorumSize: 3, policies: none })
      .then(quorum(3));
    given(...one, ...two)
      .when({ profileId, quorumSize: 3, policies: known(policy('p')) })
      .then(quorum(3));
  });

  test('keeps its authenticators, unless their device goes', () => {
    const { given } = scenario(voting, removeAuthenticator);
    const command = { profileId, deviceIdentifier: 'one', policies: bySettings };
    given(...one)
      .when(command)
      .refused('authenticator.required_by_policy');
    given(...one, ...two)
      .when(command)
      .then(removed('one'));
    given(...one, ...two, quorum(2))
      .when(command)
      .refused('authenticator.required_by_policy');
    given(...two)
      .when(command)
      .refused('authenticator.not_registered');
    scenario(voting, withdrawAuthenticator)
      .given(...one)
      .when({ profileId, deviceIdentifier: 'one' })
      .then(removed('one'));
    scenario(voting, withdrawAuthenticator)
      .given(...two)
      .when({ profileId, deviceIdentifier: 'one' })
      .then();
  });

  test('is asked by the configuration of its category, which must not put it out of reach', () => {
    const { given } = scenario(voting, registerConfiguration);
    const bound = { ...fields, category: 'data', deviceIdentifiers: ['one'], quorumSize: 2 } as const;
    const command = { profileId, id: 'c', name: 'name of c', fields: bound, policies: bySettings };
    given(...one, ...two)
      .when(command)
      .refused('voting.quorum_exceeds_authenticators');
    const other = { ...bound, category: 'auth' } as const;
    given(...one, ...two)
      .when({ ...command, fields: other })
      .then(registered('c', other));
    const update = { id: 'c', name: null, strategy: null, parameter: null, policies: bySettings };
    scenario(voting, updateConfiguration)
      .given(...one, ...two, registered('c', other))
      .when({ ...update, fields: { category: 'data' } })
      .refused('voting.quorum_exceeds_authenticators');
  });

  test('that is out of reach already refuses only what concerns it', () => {
    const broken = [...one, ...two, quorum(2), removed('two')];
    const { given } = scenario(voting, registerConfiguration);
    given(...broken)
      .when({ profileId, id: 'c', name: 'name of c', fields, policies: bySettings })
      .then(registered('c'));
    const { given: setting } = scenario(voting, setQuorumSize);
    setting(...broken)
      .when({ profileId, quorumSize: 3, policies: bySettings })
      .refused('voting.quorum_exceeds_authenticators');
    setting(...broken)
      .when({ profileId, quorumSize: 1, policies: bySettings })
      .then(quorum(1));
  });

  test('or an inactive one keeps the configuration that it names, and that of its category', () => {
    const { given } = scenario(voting, deleteConfiguration);
    const command = { id: 'c', name: null };
    const deleted: VotingEvent = {
      type: 'voting_configuration.deleted',
      version: 1,
      data: { id: 'c', name: 'name of c' },
    };
    given(...one, registered('c'))
      .when({ ...command, policies: known(policy('p', 'c')) })
      .refused('voting_configuration.in_use');
    given(...one, registered('c'))
      .when({ ...command, policies: known(policy('p', 'd')) })
      .then(deleted);
    const bound = registered('c', { category: 'data', quorumSize: 1 });
    given(...one, bound, quorum(2))
      .when({ ...command, policies: bySettings })
      .refused('voting_configuration.in_use');
    given(...one, bound)
      .when({ ...command, policies: bySettings })
      .then(deleted);
  });
});
