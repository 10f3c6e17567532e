import type { PollRules } from '@symbolon/contracts';
import type { Attempt, Shown } from './open-poll.decide';
import type { PollData, PollEvent } from './poll.events';

export const poolId = '01937b49-0000-7000-8000-000000000001';
export const nextPoolId = '01937b49-0000-7000-8000-000000000002';
export const ada = '01937b49-0000-7000-8000-00000000000a';
export const eve = '01937b49-0000-7000-8000-00000000000e';
export const commandId = '01937b49-0000-7000-8000-00000000000c';
export const morning = '2026-02-21T09:00:00.000+00:00';
export const noon = '2026-02-21T12:00:00.000+00:00';

export const rules: PollRules = {
  strategy: 'unanimous',
  strategyParams: null,
  countRequired: null,
  quorumSize: 1,
  timeLimit: 3600,
  maxAttempts: 2,
  deviceIdentifiers: null,
};

export const attempt: Attempt = {
  ...{ poolId, chainId: poolId, profileId: ada, commandId, gated: true, directoryId: null },
  ...{ operation: 'data_token.deleted', op: 'op', attempt: 1, previousPoolId: null, rules, skipped: [] },
};

export const shown: Shown = {
  ...{ title: 'Delete data', question: 'Shall it go?', nonce: null, opNonce: null },
  context: {
    ...{ requester: null, application: null, ip: null, userAgent: null, location: null, time: morning },
    ...{ dataContext: null, classification: null, label: null, handling: null, device: null, nonce: null },
  },
};

/** The poll of this attempt, with what is changed of it. */
export function created(change: Partial<PollData<'poll.created'>> = {}): PollEvent {
  const { maxAttempts, ...others } = rules;
  const { rules: _, ...known } = attempt;
  return {
    type: 'poll.created',
    version: 1,
    data: { ...known, ...others, maxAttempts, expiresAt: noon, ...change },
    personal: { subject: ada, fields: { ...shown } },
  };
}

export const deviceOf = (n: number) => `device-${n}`;
export const ballotOf = (n: number) => ({
  ballotId: `ballot-${n}`,
  deviceIdentifier: deviceOf(n),
  statement: `statement of ballot ${n}`,
});
const about = (n: number) => ({ ballotId: `ballot-${n}`, poolId, deviceIdentifier: deviceOf(n) });

export function issued(n: number): PollEvent {
  return { type: 'ballot.issued', version: 1, data: { ...ballotOf(n), poolId, profileId: ada, expiresAt: noon } };
}

export function cast(n: number, vote: 'yes' | 'no'): PollEvent {
  return {
    type: 'ballot.cast',
    version: 1,
    data: { ...about(n), vote, votedAt: morning, signed: true, statement: `vote ${n}` },
    personal: { subject: ada, fields: { comment: null } },
  };
}

export function voided(n: number, reason: PollData<'ballot.voided'>['reason']): PollEvent {
  return { type: 'ballot.voided', version: 1, data: { ...about(n), reason } };
}

export function discarded(n: number, reason: PollData<'ballot.vote_discarded'>['reason']): PollEvent {
  const { poolId: _, ...data } = about(n);
  return { type: 'ballot.vote_discarded', version: 1, data: { ...data, envelopeId: 'envelope', reason } };
}

/** Its votes are those of these ballots. */
export function resolved(
  change: Pick<PollData<'poll.resolved'>, 'outcome' | 'reason' | 'yes' | 'no' | 'ballotsIssued'> &
    Partial<PollData<'poll.resolved'>>,
  ...voters: readonly number[]
): PollEvent {
  const votes = voters.map((n) => ({ ballotId: `ballot-${n}`, statementHash: `hash of vote ${n}` }));
  const known = { poolId, chainId: poolId, profileId: ada, commandId, gated: true };
  return { type: 'poll.resolved', version: 1, data: { ...known, votes, nextPoolId: null, ...change } };
}
