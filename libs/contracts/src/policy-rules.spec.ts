import type { PolicyEvent } from './events/policy';
import type { VotingConfigurationFields, VotingEvent } from './events/voting';
import { isPolicyEventId, policyEventOf, policyEvents, policyTemplate, policyTemplates } from './policy-catalogue';
import {
  activePolicies,
  defaultRules,
  eligible,
  isSatisfiable,
  policies,
  required,
  rulesFor,
  voting,
} from './policy-rules';

const profileId = 'ada';
const votingAfter = (...events: VotingEvent[]) => events.reduce(voting.evolve.bind(voting), voting.initial);
const policiesAfter = (...events: PolicyEvent[]) => events.reduce(policies.evolve.bind(policies), policies.initial);
const verified = (...devices: string[]): VotingEvent[] =>
  devices.flatMap((deviceIdentifier) => [
    { type: 'authenticator.registered', version: 1, data: { deviceIdentifier, profileId } },
    { type: 'authenticator.verified', version: 1, data: { deviceIdentifier, profileId } },
  ]);
const fields: VotingConfigurationFields = {
  ...{ strategy: 'consensus', strategyParams: null, countRequired: null, timeLimit: 60, percentageRequired: null },
  ...{ deviceIdentifiers: [], quorumSize: null, numberOfAttempts: null, category: null },
};
const configured = (id: string, changed: Partial<VotingConfigurationFields> = {}): VotingEvent => ({
  type: 'voting_configuration.registered',
  version: 1,
  data: { id, profileId, name: `name of ${id}`, ...fields, ...changed },
});
const settings: VotingEvent[] = [
  { type: 'voting.quorum_size_set', version: 1, data: { profileId, quorumSize: 2 } },
  {
    type: 'voting.quorum_strategy_set',
    version: 1,
    data: { profileId, strategy: 'threshold', strategyParams: '3/5', countRequired: 3 },
  },
  { type: 'voting.time_limit_set', version: 1, data: { profileId, timeLimit: 77 } },
  { type: 'voting.max_attempts_set', version: 1, data: { profileId, numberOfAttempts: 4 } },
];

describe('the rules of a poll', () => {
  test('are the defaults where nothing is set', () =>
    expect(rulesFor(voting.initial, null, 'data')).toEqual({ configurationId: null, rules: defaultRules }));

  test("are the profile's settings where no configuration applies", () =>
    expect(rulesFor(votingAfter(...settings, configured('c', { category: 'auth' })), null, 'data')).toEqual({
      configurationId: null,
      rules: {
        ...{ strategy: 'threshold', strategyParams: '3/5', countRequired: 3, quorumSize: 2, timeLimit: 77 },
        ...{ maxAttempts: 4, deviceIdentifiers: null },
      },
    }));

  test('are those of the configuration of the category, filled up from the settings', () => {
    const rules = { strategy: 'consensus', timeLimit: 60, quorumSize: 2, maxAttempts: 4, countRequired: null };
    expect(rulesFor(votingAfter(...settings, configured('c', { category: 'data' })), null, 'data')).toMatchObject({
      configurationId: 'c',
      rules,
    });
    const own = configured('c', { category: 'data', quorumSize: 7, numberOfAttempts: 1 });
    expect(rulesFor(votingAfter(...settings, own), null, 'data')!.rules).toMatchObject({
      quorumSize: 7,
      maxAttempts: 1,
    });
  });

  test('are those of the named configuration before all others', () => {
    const state = votingAfter(configured('c', { category: 'data' }), configured('d', { deviceIdentifiers: ['phone'] }));
    expect(rulesFor(state, 'd', 'data')).toMatchObject({
      configurationId: 'd',
      rules: { deviceIdentifiers: ['phone'] },
    });
  });

  test('follow updates, and are none where the named one is gone', () => {
    const updated: VotingEvent = { type: 'voting_configuration.updated', version: 1, data: { id: 'c', timeLimit: 9 } };
    const deleted: VotingEvent = {
      type: 'voting_configuration.deleted',
      version: 1,
      data: { id: 'c', name: 'name of c' },
    };
    expect(rulesFor(votingAfter(configured('c'), updated), 'c', null)!.rules.timeLimit).toBe(9);
    expect(rulesFor(votingAfter(configured('c'), updated, deleted), 'c', null)).toBeNull();
    expect(rulesFor(votingAfter(updated, deleted), 'c', null)).toBeNull();
  });

  test.each([
    [{}, 1],
    [{ quorumSize: 0 }, 1],
    [{ quorumSize: 3 }, 3],
    [{ strategy: 'threshold', countRequired: 5, quorumSize: 3 }, 5],
    [{ strategy: 'threshold', countRequired: 2, quorumSize: 3 }, 3],
    // A count without the strategy that counts is without effect.
    [{ strategy: 'affirmative', countRequired: 5 }, 1],
    [{ strategy: 'minimum_percentage', strategyParams: '100' }, 1],
  ] as const)('%p need %d authenticators', (changed, count) =>
    expect(required({ ...defaultRules, ...changed })).toBe(count),
  );

  test('ask verified authenticators only, and only those that are named', () => {
    const unverified = verified('tablet')[0]!;
    const removed: VotingEvent = {
      type: 'authenticator.removed',
      version: 1,
      data: { deviceIdentifier: 'watch', profileId },
    };
    const state = votingAfter(...verified('phone', 'watch', 'laptop'), unverified, removed);
    expect(eligible(state, defaultRules)).toEqual(['phone', 'laptop']);
    expect(eligible(state, { ...defaultRules, deviceIdentifiers: ['laptop', 'watch', 'nobody'] })).toEqual(['laptop']);
  });
});

describe('a policy can be satisfied', () => {
  const policy = { applyingEventIds: ['data_token.deleted', 'data_token.data_requested'], votingConfigurationId: null };

  test('where every vote that it may ask for finds enough authenticators', () => {
    expect(isSatisfiable(policy, votingAfter())).toBe(false);
    expect(isSatisfiable(policy, votingAfter(...verified('phone')))).toBe(true);
    const strict = configured('c', { category: 'data', quorumSize: 2 });
    expect(isSatisfiable(policy, votingAfter(...verified('phone'), strict))).toBe(false);
    const mixed = { ...policy, applyingEventIds: ['profile.authenticate', 'data_token.deleted'] };
    expect(isSatisfiable(mixed, votingAfter(...verified('phone'), strict))).toBe(false);
  });

  test('never with an operation that does not exist', () =>
    expect(isSatisfiable({ ...policy, applyingEventIds: ['x'] }, votingAfter(...verified('phone')))).toBe(false));
});

describe('the policies of a profile', () => {
  const registered = (id: string): PolicyEvent => ({
    type: 'policy.registered',
    version: 1,
    data: {
      ...{ id, profileId, name: id, policyTemplateId: 'data_access', votingConfigurationId: null },
      applyingEventIds: ['data_token.data_requested'],
    },
  });
  const turned = (type: 'policy.activated' | 'policy.deactivated' | 'policy.deleted', id: string): PolicyEvent => ({
    type,
    version: 1,
    data: { id },
  });
  const active = (...events: PolicyEvent[]) => activePolicies(policiesAfter(...events)).map(({ id }) => id);

  test('are active from their activation to their deactivation', () => {
    const two = [registered('b'), registered('a')];
    expect(active(...two)).toEqual([]);
    expect(active(...two, turned('policy.activated', 'a'), turned('policy.activated', 'b'))).toEqual(['b', 'a']);
    expect(active(...two, turned('policy.activated', 'a'), turned('policy.deactivated', 'a'))).toEqual([]);
    expect(active(...two, turned('policy.activated', 'a'), turned('policy.deleted', 'a'))).toEqual([]);
  });

  test('are the same whatever unknown events lie between', () => {
    const unknown = { type: 'policy.praised', version: 1, data: { id: 'a' } } as unknown as PolicyEvent;
    const events = [registered('a'), turned('policy.activated', 'a')];
    expect(policiesAfter(...events.flatMap((event) => [unknown, event]))).toEqual(policiesAfter(...events));
    expect(active(turned('policy.activated', 'a'))).toEqual([]);
  });
});

describe('the catalogue', () => {
  test('tells what a command is by its type', () => {
    expect(policyEventOf('data-token/request-data')).toBe('data_token.data_requested');
    expect(policyEventOf('upstream')).toBe('data_token.data_exchanged');
    expect(policyEventOf('profile/register-profile')).toBeNull();
    expect(policyEventOf('toString')).toBeNull();
    expect(isPolicyEventId('toString')).toBe(false);
  });

  test('leaves to the submitter only what the type does not tell', () => {
    const types = [
      ...['profile/authenticate', 'profile/reauthorize-authorization-token', 'profile/change-password', 'upstream'],
      ...['profile/oauth-application-request-authorization-code', 'profile/delete-account'],
      ...['reserve-token-space', 'exchange-data-for-token', 'request-data', 'update-data', 'delete-data'].map(
        (row) => `data-token/${row}`,
      ),
      'data-token/configure-information-security-risk-meta',
      ...['device/approve-device', 'device/remove', 'storage/register', 'storage/remove'],
      ...['register', 'remove', 'set-quorum-size', 'set-quorum-strategy', 'set-voting-time-limit'].map(
        (row) => `verified-authenticator/${row}`,
      ),
      'verified-authenticator/set-maximum-voting-attempts',
      ...['register', 'update', 'delete'].map((row) => `verified-authenticator/voting-configuration/${row}`),
      ...['policy/activate', 'policy/deactivate', 'policy/delete', 'directory/set-profile-password'],
    ];
    const told = new Set(types.map(policyEventOf));
    const untold = Object.keys(policyEvents).filter((id) => !told.has(id as never));
    expect(untold.sort()).toEqual(['device.configuration_rotated', 'public_key.replaced']);
    expect([policyEventOf('directory/create-profile-device'), policyEventOf('directory/add-storage-device')]).toEqual([
      'device.approved',
      'storage.registered',
    ]);
  });

  test('finds templates by their id', () => {
    for (const template of policyTemplates) expect(policyTemplate(template.id)).toBe(template);
    expect(policyTemplate('constructor')).toBeNull();
  });
});
