import { scenario } from '@symbolon/testing';
import { openPoll } from './open-poll.decide';
import { poll } from './poll.model';
import * as sample from './sample-events';

const { ada, attempt, ballotOf, commandId, created, issued, noon, poolId, resolved, rules, shown } = sample;
const { given } = scenario(poll, openPoll);
const ballots = [ballotOf(1), ballotOf(2)];
const command = { attempt, shown, expiresAt: noon, ballots };
const refused = (reason: 'voting.no_authenticators' | 'voting.quorum_unreachable') =>
  ({
    type: 'poll.refused',
    version: 1,
    data: { poolId, chainId: poolId, profileId: ada, commandId, gated: true, reason },
  }) as const;

describe('a poll', () => {
  test('opens with its ballots', () => given().when(command).then(created(), issued(1), issued(2)));
  test('opens once', () => given(created(), issued(1)).when(command).then());
  test('does not open once it was cancelled', () =>
    given(resolved({ outcome: 'cancelled', reason: 'poll.cancelled', yes: 0, no: 0, ballotsIssued: 0 }))
      .when(command)
      .then());
  test('is refused without anybody to vote', () =>
    given()
      .when({ ...command, ballots: [] })
      .then(refused('voting.no_authenticators')));
  test('is refused without a question that could be shown', () =>
    given()
      .when({ ...command, shown: null })
      .then(refused('voting.no_authenticators')));
  test.each([
    { ...rules, quorumSize: 3 },
    { ...rules, strategy: 'threshold', strategyParams: '3/3', countRequired: 3 } as const,
  ])('is refused where %j is out of reach', (unreachable) =>
    given()
      .when({ ...command, attempt: { ...attempt, rules: unreachable } })
      .then(refused('voting.quorum_unreachable')),
  );
  test('that nobody waits for is refused to who asked for it, and later attempts in the log', () => {
    const free = { ...attempt, gated: false };
    given()
      .when({ ...command, attempt: free, ballots: [] })
      .refused('voting.no_authenticators');
    given()
      .when({ ...command, attempt: { ...free, attempt: 2 }, ballots: [] })
      .then({
        ...refused('voting.no_authenticators'),
        data: { ...refused('voting.no_authenticators').data, gated: false },
      });
  });
});
