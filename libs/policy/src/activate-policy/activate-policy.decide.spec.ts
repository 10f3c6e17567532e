import { type Voting, voting, type VotingConfigurationFields, type VotingEvent } from '@symbolon/contracts';
import { scenario } from '@symbolon/testing';
import { policySet } from '../policy/policy.model';
import {
  activated,
  ada,
  authenticators,
  configurationId,
  deactivated,
  deleted,
  devices,
  id,
  otherId,
  registered,
} from '../policy/sample-events';
import { activatePolicy } from './activate-policy.decide';

const { given } = scenario(policySet, activatePolicy);
const after = (...events: readonly VotingEvent[]): Voting => events.reduce(voting.evolve.bind(voting), voting.initial);
const [one, two, three] = devices as [string, string, string];
const command = { ref: { policyId: id }, voting: after(...authenticators(one)) };
const quorum = (quorumSize: number): VotingEvent => ({
  type: 'voting.quorum_size_set',
  version: 1,
  data: { profileId: ada, quorumSize },
});
const configuration = (fields: Partial<VotingConfigurationFields>): VotingEvent => ({
  type: 'voting_configuration.registered',
  version: 1,
  data: {
    id: configurationId,
    profileId: ada,
    name: 'night',
    strategy: 'affirmative',
    strategyParams: null,
    countRequired: null,
    timeLimit: 60,
    percentageRequired: null,
    deviceIdentifiers: [],
    quorumSize: null,
    numberOfAttempts: null,
    category: null,
    ...fields,
  },
});
const naming = { ...registered, data: { ...registered.data, votingConfigurationId: configurationId } };

describe('activating a policy', () => {
  test('by its id or by its name', () => {
    given(registered).when(command).then(activated);
    given(registered)
      .when({ ...command, ref: { name: 'ask me' } })
      .then(activated);
  });
  test('again after a deactivation', () => given(registered, activated, deactivated).when(command).then(activated));
  test('is refused twice', () => given(registered, activated).when(command).refused('policy.already_active'));
  test('is refused where there is none, or no more', () => {
    given().when(command).refused('policy.not_found');
    given(registered, deleted).when(command).refused('policy.not_found');
    given(registered)
      .when({ ...command, ref: { policyId: otherId } })
      .refused('policy.not_found');
  });

  describe('needs authenticators:', () => {
    const when = (policy: typeof registered, ...events: VotingEvent[]) =>
      given(policy).when({ ...command, voting: after(...events) });
    const refused = (policy: typeof registered, ...events: VotingEvent[]) =>
      when(policy, ...events).refused('policy.no_authenticators');
    const removed: VotingEvent = {
      type: 'authenticator.removed',
      version: 1,
      data: { deviceIdentifier: one, profileId: ada },
    };

    test('one that is verified', () => {
      refused(registered);
      refused(registered, authenticators(one)[0]!);
      refused(registered, ...authenticators(one), removed);
      when(registered, ...authenticators(one)).then(activated);
    });

    test('as many as the quorum', () => {
      refused(registered, ...authenticators(one), quorum(2));
      when(registered, ...authenticators(one, two), quorum(2)).then(activated);
    });

    test('as many as the count', () => {
      const count = configuration({ strategy: 'threshold', strategyParams: '3/5', countRequired: 3 });
      refused(naming, ...authenticators(one, two), count);
      when(naming, ...authenticators(one, two, three), count).then(activated);
    });

    test('among those that the configuration names', () => {
      const named = configuration({ deviceIdentifiers: [one, two], quorumSize: 2 });
      refused(naming, ...authenticators(one, three), named);
      when(naming, ...authenticators(one, two), named).then(activated);
    });

    test('under the configuration of the category where none is named', () => {
      const bound = configuration({ category: 'data', quorumSize: 2 });
      refused(registered, ...authenticators(one), bound);
      when(registered, ...authenticators(one), configuration({ category: 'admin', quorumSize: 2 })).then(activated);
    });

    test('whatever a percentage asks for', () => {
      const percentage = configuration({ strategy: 'minimum_percentage', strategyParams: '100', countRequired: null });
      when(naming, ...authenticators(one), percentage).then(activated);
    });

    test('and the configuration that it names', () => refused(naming, ...authenticators(one)));
  });
});
