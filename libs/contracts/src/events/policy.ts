import type { Event } from './event';
import type { BallotContext, PollRules } from './voting';

/** Stream `policies-<profileId>`: all policies of a profile. `configuration` is personal. */
export type PolicyRegistered = Event<
  'policy.registered',
  {
    id: string;
    profileId: string;
    name: string;
    policyTemplateId: string;
    applyingEventIds: readonly string[];
    votingConfigurationId: string | null;
  },
  { configuration: Readonly<Record<string, unknown>> }
>;
export type PolicyActivated = Event<'policy.activated', { id: string }>;
export type PolicyDeactivated = Event<'policy.deactivated', { id: string }>;
export type PolicyDeleted = Event<'policy.deleted', { id: string }>;
export type PolicyEvent = PolicyRegistered | PolicyActivated | PolicyDeactivated | PolicyDeleted;

/** Stream `gate-<commandId>`: a command that was held. Its first event is what was decided about it. */
export type PolicyMatched = Event<
  'policy.matched',
  { id: string; commandId: string; policyEventId: string; poolId: string }
>;
/**
 * Everything the vote needs, frozen. One chain of polls per voting configuration; `poolId` is that of its first poll.
 * Voting opens the polls of a gate when it sees this event.
 */
export type GateOpened = Event<
  'policy.gate_opened',
  {
    commandId: string;
    profileId: string;
    commandType: string;
    policyEventId: string;
    /** Operation digest, base64url (crypto.md, section 14). */
    op: string;
    chains: ReadonlyArray<{ poolId: string; policyIds: readonly string[]; rules: PollRules }>;
  },
  {
    /** 16 bytes, base64url: of the operation digest. */
    opNonce: string;
    title: string;
    question: string;
    context: BallotContext;
  }
>;
/** No active policy matched after all: the command runs without a vote. First and last event of its gate. */
export type GateWaived = Event<'policy.gate_waived', { commandId: string; profileId: string }>;
/** One chain has come to its end. */
export type GateChainSettled = Event<
  'policy.chain_settled',
  { commandId: string; poolId: string; reason: string | null }
>;
export type GateReleased = Event<'policy.gate_released', { commandId: string; profileId: string }>;
/**
 * `cancel`: first polls of the chains that are still open; voting cancels whatever poll of theirs is open. The first
 * event of a gate where a matching policy could not be evaluated.
 */
export type GateDenied = Event<
  'policy.gate_denied',
  { commandId: string; profileId: string; reason: string; cancel: readonly string[] }
>;
export type GateEvent = PolicyMatched | GateOpened | GateWaived | GateChainSettled | GateReleased | GateDenied;
