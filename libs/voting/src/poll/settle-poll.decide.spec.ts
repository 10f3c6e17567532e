import { scenario } from '@symbolon/testing';
import { poll } from './poll.model';
import * as sample from './sample-events';
import { cancelPoll, castVote, endPoll, voidBallots } from './settle-poll.decide';

const {
  ada,
  cast,
  commandId,
  created,
  deviceOf,
  discarded,
  eve,
  issued,
  morning,
  nextPoolId,
  noon,
  poolId,
  resolved,
  voided,
} = sample;
const settling = { nextPoolId, hash: (statement: string) => `hash of ${statement}` };
const open = [created(), issued(1), issued(2), issued(3)] as const;

describe('a vote', () => {
  const { given } = scenario(poll, castVote);
  const vote = (n: number, choice: 'yes' | 'no', change: object = {}) => ({
    ...settling,
    ...{
      ballotId: `ballot-${n}`,
      deviceIdentifier: deviceOf(n),
      envelopeId: 'envelope',
      vote: choice,
      votedAt: morning,
    },
    ...{ statement: `vote ${n}`, comment: null, voter: ada, receivedAt: morning, entitled: true },
    ...change,
  });

  test('counts', () =>
    given(...open)
      .when(vote(1, 'yes'))
      .then(cast(1, 'yes')));
  test('of a device without signing key counts unsigned', () => {
    const unsigned = cast(1, 'yes');
    given(...open)
      .when(vote(1, 'yes', { statement: null }))
      .then({ ...unsigned, data: { ...unsigned.data, signed: false, statement: null } } as typeof unsigned);
  });
  test('that is the last one ends the poll', () =>
    given(...open, cast(1, 'yes'), cast(2, 'yes'))
      .when(vote(3, 'yes'))
      .then(
        cast(3, 'yes'),
        resolved({ outcome: 'succeeded', reason: null, yes: 3, no: 0, ballotsIssued: 3 }, 1, 2, 3),
      ));
  test('that decides ends the poll: the other ballots are void, and another attempt follows', () =>
    given(...open, cast(1, 'yes'))
      .when(vote(2, 'no'))
      .then(
        cast(2, 'no'),
        resolved({ outcome: 'rejected', reason: 'poll.rejected', yes: 1, no: 1, ballotsIssued: 3, nextPoolId }, 1, 2),
        voided(3, 'poll_resolved'),
      ));
  test('that decides the last attempt is followed by none', () =>
    given(created({ attempt: 2 }), issued(1))
      .when(vote(1, 'no'))
      .then(
        cast(1, 'no'),
        resolved({ outcome: 'rejected', reason: 'poll.rejected', yes: 0, no: 1, ballotsIssued: 1 }, 1),
      ));

  test('counts once', () =>
    given(...open, cast(1, 'no'))
      .when(vote(1, 'yes'))
      .then(discarded(1, 'duplicate')));
  test('is nothing without its ballot', () =>
    given(...open)
      .when(vote(4, 'yes'))
      .then(discarded(4, 'unknown')));
  test('is nothing on the ballot of another device', () => {
    const { data } = discarded(1, 'unknown');
    given(...open)
      .when(vote(1, 'yes', { deviceIdentifier: deviceOf(2) }))
      .then({ type: 'ballot.vote_discarded', version: 1, data: { ...data, deviceIdentifier: deviceOf(2) } } as never);
  });
  test('is nothing once the time is over, whether or not the poll has noticed', () => {
    given(...open)
      .when(vote(1, 'yes', { receivedAt: noon }))
      .then(discarded(1, 'expired'));
    given(...open, voided(1, 'poll_resolved'))
      .when(vote(1, 'yes', { receivedAt: noon }))
      .then(discarded(1, 'expired'));
  });
  test.each(['poll_resolved', 'poll_cancelled', 'authenticator_removed'] as const)(
    'is nothing on a ballot void for %s',
    (reason) =>
      given(...open, voided(1, reason))
        .when(vote(1, 'yes'))
        .then(discarded(1, 'voided')),
  );
  test('of who is no authenticator any more takes the ballot away', () => {
    given(...open)
      .when(vote(1, 'yes', { entitled: false }))
      .then(voided(1, 'authenticator_removed'), discarded(1, 'voided'));
    given(created(), issued(1), issued(2), cast(2, 'yes'))
      .when(vote(1, 'no', { entitled: false }))
      .then(
        voided(1, 'authenticator_removed'),
        discarded(1, 'voided'),
        resolved({ outcome: 'succeeded', reason: null, yes: 1, no: 0, ballotsIssued: 2 }, 2),
      );
  });
});

describe('the time limit', () => {
  const { given } = scenario(poll, endPoll);
  const over = { ...settling, now: noon };

  test('ends a poll with the votes there are', () =>
    given(...open, cast(1, 'yes'))
      .when(over)
      .then(
        resolved({ outcome: 'succeeded', reason: null, yes: 1, no: 0, ballotsIssued: 3 }, 1),
        voided(2, 'poll_resolved'),
        voided(3, 'poll_resolved'),
      ));
  test('ends a poll that nobody answered', () =>
    given(created(), issued(1))
      .when(over)
      .then(
        resolved({ outcome: 'timed_out', reason: 'poll.timed_out', yes: 0, no: 0, ballotsIssued: 1, nextPoolId }),
        voided(1, 'poll_resolved'),
      ));
  test('ends a poll without its quorum', () =>
    given(created({ quorumSize: 2, attempt: 2 }), issued(1), issued(2), cast(1, 'yes'))
      .when(over)
      .then(
        resolved({ outcome: 'failed_quorum', reason: 'poll.quorum_not_met', yes: 1, no: 0, ballotsIssued: 2 }, 1),
        voided(2, 'poll_resolved'),
      ));
  test('does not come early', () =>
    given(...open)
      .when({ ...over, now: morning })
      .refused('command.pending'));
  test('is nothing to a poll that has ended, or never was', () => {
    const end = resolved({ outcome: 'cancelled', reason: 'poll.cancelled', yes: 0, no: 0, ballotsIssued: 3 });
    given(...open, end)
      .when(over)
      .then();
    given().when(over).then();
  });
});

describe('authenticators that are removed', () => {
  const { given } = scenario(poll, voidBallots);
  const removed = (...devices: number[]) => ({ ...settling, deviceIdentifiers: devices.map(deviceOf) });

  test('lose their open ballots', () =>
    given(...open)
      .when(removed(1, 3))
      .then(voided(1, 'authenticator_removed'), voided(3, 'authenticator_removed')));
  test('keep their votes', () =>
    given(...open, cast(1, 'yes'))
      .when(removed(1))
      .then());
  test('were perhaps what the others waited for', () =>
    given(...open, cast(1, 'yes'), cast(2, 'yes'))
      .when(removed(3))
      .then(
        voided(3, 'authenticator_removed'),
        resolved({ outcome: 'succeeded', reason: null, yes: 2, no: 0, ballotsIssued: 3 }, 1, 2),
      ));
  test('may have been all', () =>
    given(created(), issued(1))
      .when(removed(1))
      .then(
        voided(1, 'authenticator_removed'),
        resolved({ outcome: 'timed_out', reason: 'poll.timed_out', yes: 0, no: 0, ballotsIssued: 1, nextPoolId }),
      ));
  test('change nothing that has ended', () => {
    const end = resolved({ outcome: 'cancelled', reason: 'poll.cancelled', yes: 0, no: 0, ballotsIssued: 1 });
    given(created(), issued(1), end).when(removed(1)).then();
  });
});

describe('cancelling', () => {
  const { given } = scenario(poll, cancelPoll);
  const { hash } = settling;
  const command = { owner: ada, announced: null, hash };
  const announced = { poolId, chainId: poolId, profileId: ada, commandId, gated: true };
  const cancelled = (ballotsIssued: number, yes = 0) =>
    ({ outcome: 'cancelled', reason: 'poll.cancelled', yes, no: 0, ballotsIssued }) as const;

  test('ends a poll for good, and keeps the votes in the count', () =>
    given(created(), issued(1), issued(2), cast(1, 'yes'))
      .when(command)
      .then(resolved(cancelled(2, 1), 1), voided(2, 'poll_cancelled')));
  test('is for its owner', () =>
    given(...open)
      .when({ ...command, owner: eve })
      .refused('poll.not_found'));
  test('is nothing where there is no poll', () => given().when(command).refused('poll.not_found'));
  test('comes once', () =>
    given(...open, resolved(cancelled(3)))
      .when(command)
      .refused('poll.not_open'));
  test('is recorded before a poll that was announced', () =>
    given()
      .when({ owner: null, announced, hash })
      .then(resolved(cancelled(0))));
});
