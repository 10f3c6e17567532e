import { type PollRules, required } from '@symbolon/contracts';
import { accept, type Decide, type Instant, nothing, refuse } from '@symbolon/kernel';
import type { BallotContext, PollEvent } from './poll.events';
import type { Poll } from './poll.model';

/** What voters are shown; sealed to the poll's profile. */
export interface Shown {
  readonly title: string;
  readonly question: string;
  readonly nonce: string | null;
  readonly context: BallotContext;
  /** 16 bytes, base64url: of the digest of a question that holds no command. */
  readonly opNonce: string | null;
}

/** One attempt at a vote. */
export interface Attempt {
  readonly poolId: string;
  readonly chainId: string;
  readonly profileId: string;
  readonly commandId: string | null;
  readonly gated: boolean;
  readonly directoryId: string | null;
  readonly operation: string;
  readonly op: string;
  readonly attempt: number;
  readonly previousPoolId: string | null;
  readonly rules: PollRules;
  readonly skipped: readonly string[];
}

export interface OpenPoll {
  readonly attempt: Attempt;
  readonly shown: Shown | null;
  readonly expiresAt: Instant;
  /** One for each eligible authenticator. */
  readonly ballots: ReadonlyArray<{
    readonly ballotId: string;
    readonly deviceIdentifier: string;
    readonly statement: string;
  }>;
}

/**
 * The poll with its ballots, all at once. One that cannot be held is recorded where somebody follows the chain of
 * attempts, and else refused to whoever asked for it.
 */
export const openPoll: Decide<OpenPoll, PollEvent, Poll> = (
  { attempt: asked, shown, expiresAt, ballots },
  { phase },
) => {
  if (phase !== 'absent') return nothing;
  const { poolId, chainId, profileId, commandId, gated, attempt, rules } = asked;
  const { strategy, strategyParams, countRequired, quorumSize, timeLimit, maxAttempts, deviceIdentifiers } = rules;
  // Without what it asks nobody could vote.
  const reachable = shown === null ? 0 : ballots.length;
  if (shown === null || reachable < required(rules)) {
    const reason = reachable === 0 ? 'voting.no_authenticators' : 'voting.quorum_unreachable';
    if (!gated && attempt === 1) return refuse(reason);
    const data = { poolId, chainId, profileId, commandId, gated, reason } as const;
    return accept({ type: 'poll.refused', version: 1, data });
  }
  const events: PollEvent[] = [
    {
      type: 'poll.created',
      version: 1,
      data: {
        ...{ poolId, chainId, profileId, commandId, gated, directoryId: asked.directoryId },
        ...{ operation: asked.operation, op: asked.op, attempt, maxAttempts, previousPoolId: asked.previousPoolId },
        ...{ strategy, strategyParams, countRequired, quorumSize, timeLimit, expiresAt, deviceIdentifiers },
        skipped: asked.skipped,
      },
      personal: { subject: profileId, fields: { ...shown } },
    },
  ];
  for (const ballot of ballots)
    events.push({ type: 'ballot.issued', version: 1, data: { ...ballot, poolId, profileId, expiresAt } });
  return accept(...events);
};
