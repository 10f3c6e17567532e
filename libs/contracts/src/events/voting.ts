import type { Event } from './event';

/** A strategy under its canonical name; `strategyParams` is text: a percentage, or `n/m` for a count (contract, section 13). */
export interface Strategy {
  readonly strategy: 'unanimous' | 'consensus' | 'affirmative' | 'minimum_percentage' | 'threshold';
  readonly strategyParams: string | null;
  readonly countRequired: number | null;
}

/** How a poll is held, with every default filled in: what a poll was opened with never changes. */
export interface PollRules extends Strategy {
  readonly quorumSize: number;
  /** Seconds. */
  readonly timeLimit: number;
  readonly maxAttempts: number;
  /** The authenticators asked; null = all that are verified. */
  readonly deviceIdentifiers: readonly string[] | null;
}

/** Stream `voting-<profileId>`: a profile's authenticators, settings and voting configurations. */
export type AuthenticatorRegistered = Event<
  'authenticator.registered',
  { deviceIdentifier: string; profileId: string }
>;
export type AuthenticatorVerified = Event<'authenticator.verified', { deviceIdentifier: string; profileId: string }>;
export type AuthenticatorRemoved = Event<'authenticator.removed', { deviceIdentifier: string; profileId: string }>;
export type QuorumSizeSet = Event<'voting.quorum_size_set', { profileId: string; quorumSize: number }>;
export type QuorumStrategySet = Event<'voting.quorum_strategy_set', { profileId: string } & Strategy>;
export type TimeLimitSet = Event<'voting.time_limit_set', { profileId: string; timeLimit: number }>;
export type MaxAttemptsSet = Event<'voting.max_attempts_set', { profileId: string; numberOfAttempts: number }>;
export interface VotingConfigurationFields extends Strategy {
  readonly timeLimit: number;
  readonly percentageRequired: number | null;
  /** Empty = all verified authenticators. */
  readonly deviceIdentifiers: readonly string[];
  readonly quorumSize: number | null;
  readonly numberOfAttempts: number | null;
  readonly category: 'auth' | 'data' | 'admin' | null;
}
export type VotingConfigurationRegistered = Event<
  'voting_configuration.registered',
  { id: string; profileId: string; name: string } & VotingConfigurationFields
>;
export type VotingConfigurationUpdated = Event<
  'voting_configuration.updated',
  { id: string } & Partial<VotingConfigurationFields>
>;
export type VotingConfigurationDeleted = Event<'voting_configuration.deleted', { id: string; name: string }>;
export type VotingEvent =
  | AuthenticatorRegistered
  | AuthenticatorVerified
  | AuthenticatorRemoved
  | QuorumSizeSet
  | QuorumStrategySet
  | TimeLimitSet
  | MaxAttemptsSet
  | VotingConfigurationRegistered
  | VotingConfigurationUpdated
  | VotingConfigurationDeleted;

/** What a ballot shows beside title and question (contract, section 16.3); attributes that do not apply are null. */
export interface BallotContext {
  readonly requester: { readonly profileId: string; readonly username: string } | null;
  readonly application: { readonly applicationId: string; readonly name: string } | null;
  readonly ip: string | null;
  readonly userAgent: string | null;
  readonly location: string | null;
  readonly time: string;
  readonly dataContext: string | null;
  readonly classification: string | null;
  readonly label: string | null;
  readonly handling: string | null;
  readonly device: { readonly deviceIdentifier: string; readonly name: string } | null;
  readonly nonce: string | null;
}

/** Stream `poll-<poolId>`. `chainId` is the poolId of the first attempt. */
export type PollCreated = Event<
  'poll.created',
  {
    poolId: string;
    chainId: string;
    profileId: string;
    /** The command that waits, or the one that asked for the vote (86). */
    commandId: string | null;
    /** A gate waits for the outcome. */
    gated: boolean;
    directoryId: string | null;
    operation: string;
    /** Operation digest, base64url; of a vote that holds no command, the digest of the question. */
    op: string;
    attempt: number;
    maxAttempts: number;
    previousPoolId: string | null;
    quorumSize: number;
    timeLimit: number;
    expiresAt: string;
    /** Whom the configuration names, less those skipped; null = all that are verified. Later attempts ask the same. */
    deviceIdentifiers: readonly string[] | null;
    skipped: readonly string[];
  } & Strategy,
  {
    title: string;
    question: string;
    nonce: string | null;
    context: BallotContext;
    /** 16 bytes, base64url: of the digest of a question that holds no command; null where a gate keeps it. */
    opNonce?: string | null;
  }
>;
/** `profileId` is the subject whose box in `poll.created` holds what the ballot shows. */
export type BallotIssued = Event<
  'ballot.issued',
  {
    ballotId: string;
    poolId: string;
    profileId: string;
    deviceIdentifier: string;
    expiresAt: string;
    /** Compact JWS (contract, section 16.3). */
    statement: string;
  }
>;
export type BallotCast = Event<
  'ballot.cast',
  {
    ballotId: string;
    poolId: string;
    deviceIdentifier: string;
    vote: 'yes' | 'no';
    votedAt: string;
    signed: boolean;
    statement: string | null;
  },
  { comment: string | null }
>;
export type BallotVoided = Event<
  'ballot.voided',
  {
    ballotId: string;
    poolId: string;
    deviceIdentifier: string;
    reason: 'poll_resolved' | 'poll_cancelled' | 'authenticator_removed';
  }
>;
/** Of a ballot that this device never had, on the stream of the vote; else on that of the poll. */
export type VoteDiscarded = Event<
  'ballot.vote_discarded',
  {
    ballotId: string;
    deviceIdentifier: string;
    /** Of the message that brought the vote; the device is answered under it. */
    envelopeId: string;
    reason: 'unknown' | 'duplicate' | 'expired' | 'voided';
  }
>;
export type PollResolved = Event<
  'poll.resolved',
  {
    poolId: string;
    chainId: string;
    profileId: string;
    commandId: string | null;
    gated: boolean;
    outcome: 'succeeded' | 'rejected' | 'failed_quorum' | 'timed_out' | 'cancelled';
    /** Reason key for the waiting command; null when it succeeded. */
    reason: string | null;
    yes: number;
    no: number;
    ballotsIssued: number;
    votes: ReadonlyArray<{ ballotId: string; statementHash: string | null }>;
    /** The next attempt; null = this was the last. */
    nextPoolId: string | null;
  }
>;
/** The poll could not be held at all: no ballot went out and no attempt follows. Stream `poll-<poolId>`. */
export type PollRefused = Event<
  'poll.refused',
  {
    poolId: string;
    chainId: string;
    profileId: string;
    commandId: string | null;
    gated: boolean;
    reason: 'voting.no_authenticators' | 'voting.quorum_unreachable';
  }
>;
export type PollEvent =
  PollCreated | BallotIssued | BallotCast | BallotVoided | VoteDiscarded | PollResolved | PollRefused;

/**
 * Stream `vote-<uuidv5 of deviceIdentifier and envelopeId>`: a `ballot.vote` as the device channel took it, from this
 * device's own connection, unsealed and its envelope's signature checked; its statement is not checked yet.
 */
export type VoteReceived = Event<
  'ballot.vote_received',
  {
    envelopeId: string;
    deviceIdentifier: string;
    /** Whose device it is. */
    profileId: string;
    ballotId: string;
    vote: 'yes' | 'no';
    votedAt: string;
    /** The envelope carried a valid signature of the device's registered key. */
    signed: boolean;
    statement: string | null;
    receivedAt: string;
  },
  { comment: string | null }
>;
/**
 * Same stream: the vote is not one; the device is told so by `error`, `device.message_rejected` records it, and a fault of
 * the signature alerts the owner.
 */
export type VoteRefused = Event<
  'ballot.vote_refused',
  {
    envelopeId: string;
    deviceIdentifier: string;
    profileId: string;
    ballotId: string;
    poolId: string;
    commandId: string | null;
    reason: 'device.envelope_invalid' | 'device.signature_invalid';
  }
>;
export type VoteEvent = VoteReceived | VoteRefused | VoteDiscarded;
