import { millisOf } from '@symbolon/kernel';

/** What a device has said beside its statement, and what the ballot was that it voted on. */
export interface StatedVote {
  readonly deviceIdentifier: string;
  readonly ballotId: string;
  readonly poolId: string;
  readonly vote: string;
  readonly votedAt: string;
  /** Claims of the ballot's own statement. */
  readonly ballot: Readonly<Record<string, unknown>>;
  /** SHA-256 of its text, base64url. */
  readonly ballotHash: string;
}

/** Whether the claims of a vote statement say what the contract's section 16.3 asks of this vote on this ballot. */
export function agrees(
  claims: Readonly<Record<string, unknown>>,
  { deviceIdentifier, ballotId, poolId, vote, votedAt, ballot, ballotHash }: StatedVote,
): boolean {
  const expected = {
    ...{ iss: deviceIdentifier, aud: ballot['iss'], poll: poolId, ballot: ballotId, ballotHash },
    ...{ op: ballot['op'], vote, nonce: ballot['nonce'] },
  };
  const { iat } = claims;
  // Whole seconds of a time with milliseconds: cut off or rounded.
  const timely = Number.isSafeInteger(iat) && Math.abs((iat as number) * 1000 - millisOf(votedAt)) < 1000;
  return timely && Object.entries(expected).every(([name, value]) => claims[name] === value);
}
