import type { Event } from './event';

/** An active policy names the command's operation: it runs once the policies are satisfied. */
export interface Held {
  policyEventId: string;
  /** Whose policies judge it: the command's profile, or a device's owner. */
  profileId: string;
  /** Where `policies-<profileId>` stood (-1: no stream): later changes do not concern the command. Null = as it stands. */
  revision: number | null;
}

/** Stream `command-<commandId>`. `input` and `result` are reduced (API contract, section 18). */
export type CommandAccepted = Event<
  'command.accepted',
  {
    commandId: string;
    commandType: string;
    /** Null for a command without a profile behind it. */
    profileId: string | null;
    requestId: string | null;
    /** Of the poll that the command is to open (84, 86); else absent. */
    poolId?: string;
    idempotencyKeyHash: string | null;
    /** Issued without a token: its status can be read without one. */
    anonymous: boolean;
    /** A part of another command: it has a status of its own, but no message is pushed about it. */
    partOf: string | null;
    /** Absent where the command was cleared with its acceptance. */
    held?: Held;
  },
  { input: unknown; location: string | null }
>;
export type CommandCleared = Event<'command.cleared', { commandId: string }>;
/** Polls were opened for it; `command.cleared` follows only once all have succeeded. */
export type CommandPendingVote = Event<
  'command.pending_vote',
  { commandId: string; poolIds: readonly string[]; policyIds: readonly string[] }
>;
export type CommandSucceeded = Event<'command.succeeded', { commandId: string }, { result: unknown }>;
export type CommandRejected = Event<'command.rejected', { commandId: string; reason: string }>;
export type CommandEvent = CommandAccepted | CommandCleared | CommandPendingVote | CommandSucceeded | CommandRejected;

/** Stream `audit-<profileId>`. */
export type AccessDenied = Event<'access.denied', { profileId: string; method: string; path: string; code: string }>;
export type AlertRaised = Event<
  'security.alert_raised',
  {
    alertId: string;
    profileId: string;
    kind: 'poll_rejected' | 'poll_quorum_not_met' | 'poll_timed_out' | 'login_locked' | 'signature_invalid';
    poolId: string | null;
    commandId: string | null;
    deviceIdentifier: string | null;
  }
>;
