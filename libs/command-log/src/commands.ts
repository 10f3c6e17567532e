import { type CommandEvent, policyEventOf } from '@symbolon/contracts';
import type { KeyStore } from '@symbolon/crypto';
import { sameSecret, uuid5, uuid7 } from '@symbolon/crypto';
import { type Actor, type Cause, type Clock, type EventStore, type Streams, system } from '@symbolon/kernel';
import type { ProjectionRunner } from '@symbolon/projection';
import type { Caller } from './caller';
import { command, isFinal } from './command.model';
import type { HandlerResult } from './command-type';
import { Gatekeeper, type Verdict } from './gatekeeper';
import { idempotencyKey, takeKey } from './idempotency';
import { Wakers } from './wakers';

export interface Submission {
  /** The contract's command type: the row's path without the first slash and parameters. */
  readonly type: string;
  readonly caller: Caller;
  /** Whose key seals the input and whose command it is. Default: the caller's profile. */
  readonly profileId?: string;
  /** Reduced: no password, token, auth string or payload bytes. Sealed as personal data. */
  readonly input: object;
  /** The fields as they were sent, for Idempotency-Key; never stored, only hashed. */
  readonly fields?: object;
  /** What an Idempotency-Key is scoped to when there is no profile (row 3: the username). */
  readonly scope?: string;
  readonly requestId?: string;
  /** Of the poll that the command is to open (84, 86). */
  readonly poolId?: string;
  /** An id that stood before the command; submitting it again starts nothing. Default: a new one. */
  readonly commandId?: string;
  /**
   * The policy event id that the command is, where its type alone does not tell; null = never held. Default: what the
   * catalogue says of the type.
   */
  readonly operation?: string | null;
}

export interface Submitted {
  readonly commandId: string;
  readonly requestId: string | null;
  /** Of a command that opens a poll of its own. */
  readonly poolId?: string | undefined;
  /** True when an Idempotency-Key repeated an earlier call and nothing was started. */
  readonly repeated: boolean;
}

export type Settlement = Exclude<HandlerResult, { status: 'deferred' }>;

/** The same Idempotency-Key came with other fields. */
export class KeyReused extends Error {
  constructor() {
    super('the Idempotency-Key was used with other fields');
    this.name = 'KeyReused';
  }
}

/** Figures of what passes; nothing in them names a person or a command. */
export interface CommandMetrics {
  commandAccepted(type: string): void;
  commandSettled(type: string, outcome: 'succeeded' | 'rejected', seconds: number): void;
}

const day = 24 * 3600;
/** Guarded appends of one command before it is held in any case. */
const attempts = 8;
/** Commands whose time this process takes at most; the oldest give way. */
const mostTimed = 10_000;

/** Accepts commands into the log and settles them. Everything a command does follows from its stream. */
export class Commands {
  /** Told while a command waits for a part of itself. */
  onPart: { begun(): void; ended(): void } = { begun: () => undefined, ended: () => undefined };

  /** When the HTTP answer of a command that this process accepted was flushed. Entries go with `forgetAnswer`. */
  readonly answers = new Map<string, Promise<void>>();

  private readonly gatekeeper: Gatekeeper;
  private readonly ends = new Wakers();
  private readonly clearances = new Wakers();

  constructor(
    store: Pick<EventStore, 'read'>,
    private readonly streams: Streams,
    private readonly keys: KeyStore,
    private readonly clock: Clock,
    private readonly projections: Pick<ProjectionRunner, 'passed'>,
    private readonly metrics?: CommandMetrics,
  ) {
    this.gatekeeper = new Gatekeeper(store, streams);
  }

  /**
   * Appends `command.accepted` (and `command.cleared`). Resolves once it is durable.
   * Throws `KeyReused`, or `Unavailable` with nothing recorded.
   */
  async submit(submission: Submission): Promise<Submitted> {
    const { caller } = submission;
    const claimed = await this.claimKey(submission, true);
    const commandId = claimed?.commandId ?? submission.commandId ?? caller.nextCommandId?.() ?? uuid7();
    const { actor, client } = caller;
    const cause: Cause = { commandId, correlationId: commandId, causationId: commandId, actor, client };
    this.answers.set(commandId, caller.answered);
    const known = await this.accept(commandId, submission, cause, claimed?.keyHash ?? null, null);
    this.time(commandId, submission.type);
    return { commandId, ...known, repeated: claimed !== null && !claimed.first };
  }

  /** The first answer to the same call under its Idempotency-Key; null without key or before the first. Throws `KeyReused`. */
  async earlier(submission: Submission): Promise<Submitted | null> {
    const claimed = await this.claimKey(submission, false);
    if (!claimed || claimed.first) return null;
    const { state } = await this.streams.load(command, claimed.commandId);
    return state.phase === 'absent'
      ? null
      : { commandId: claimed.commandId, requestId: state.requestId, poolId: state.poolId, repeated: true };
  }

  /** A part of a command, done by another context: submits it under an id derived from the whole and waits for its end. */
  async part(
    of: Cause & { readonly commandId: string },
    type: string,
    profileId: string,
    input: object,
  ): Promise<string | null> {
    const commandId = uuid5(`${of.commandId}/${type}`);
    const cause: Cause = { ...of, causationId: commandId, commandId };
    await this.accept(commandId, { type, profileId, input }, cause, null, of.commandId);
    this.onPart.begun();
    const ended = await this.ended(commandId).finally(this.onPart.ended);
    return ended.phase === 'rejected' ? ended.reason : null;
  }

  /**
   * Appends the end of a command, once, after every projection has passed `settlement.cursor`: who is told of the end
   * finds its effect. Repeating it, in whatever way, changes nothing.
   */
  async settle(commandId: string, settlement: Settlement, profileId: string | null, cause?: Cause): Promise<void> {
    await this.projections.passed(settlement.cursor);
    const event: CommandEvent =
      settlement.status === 'rejected'
        ? { type: 'command.rejected', version: 1, data: { commandId, reason: settlement.reason } }
        : {
            type: 'command.succeeded',
            version: 1,
            data: { commandId },
            ...(settlement.result && profileId
              ? { personal: { subject: profileId, fields: { result: settlement.result } } }
              : {}),
          };
    // One id for either end: of two racing ends the store keeps the first.
    await this.streams.append(`command-${commandId}`, 'any', [event], endOf(commandId, cause));
    const timed = this.timed.get(commandId);
    if (!timed) return;
    this.timed.delete(commandId);
    this.metrics?.commandSettled(timed.type, settlement.status, (performance.now() - timed.at) / 1000);
  }

  private readonly timed = new Map<string, { readonly type: string; readonly at: number }>();

  private time(commandId: string, type: string): void {
    this.metrics?.commandAccepted(type);
    this.timed.set(commandId, { type, at: performance.now() });
    if (this.timed.size > mostTimed) this.timed.delete(this.timed.keys().next().value!);
  }

  /** Called with every event of a command's stream after its acceptance that a follower of the log sees. */
  notice(type: string, commandId: string): void {
    this.clearances.wake(commandId);
    if (type === 'command.succeeded' || type === 'command.rejected') this.ends.wake(commandId);
  }

  /**
   * Whether an active policy names this operation, as the log says now; whether the policy matches only its evaluation
   * tells (`clearance` of a command). For endpoints that answer at once where nothing is held.
   */
  async held(profileId: string, policyEventId: string, actor?: Actor): Promise<boolean> {
    const judge = await this.gatekeeper.judgeOf(profileId, actor);
    return (await this.gatekeeper.refresh(judge)).has(policyEventId);
  }

  /**
   * How policies decided about a command, as soon as they have: it may run (or has run), waits for a vote, or was
   * rejected. `pending_vote` also after so many seconds without a decision: it goes on waiting.
   */
  async clearance(commandId: string, seconds: number): Promise<'cleared' | 'pending_vote' | 'rejected'> {
    const see = async () => {
      const { state } = await this.streams.load(command, commandId);
      switch (state.phase) {
        case 'absent':
        case 'accepted':
          return null;
        case 'succeeded':
          return 'cleared';
        default:
          return state.phase;
      }
    };
    return (await this.clearances.look(commandId, see, performance.now() + seconds * 1000)) ?? 'pending_vote';
  }

  private async ended(commandId: string) {
    const see = async () => {
      const { state } = await this.streams.load(command, commandId);
      return isFinal(state.phase) ? state : null;
    };
    return (await this.ends.look(commandId, see))!;
  }

  private async accept(
    commandId: string,
    { type, input, requestId, poolId, ...rest }: Omit<Submission, 'caller'> & { caller?: Caller },
    cause: Cause,
    idempotencyKeyHash: string | null,
    partOf: string | null,
  ): Promise<Pick<Submitted, 'requestId' | 'poolId'>> {
    const profileId = rest.profileId ?? rest.caller?.profileId ?? null;
    // The whole was judged: its parts are not held again.
    const operation = partOf !== null ? null : rest.operation === undefined ? policyEventOf(type) : rest.operation;
    const judge =
      profileId === null || operation === null ? null : await this.gatekeeper.judgeOf(profileId, cause.actor);
    const append = ({ held, guard }: Verdict) => {
      const accepted: CommandEvent = {
        type: 'command.accepted',
        version: 1,
        data: {
          commandId,
          commandType: type,
          profileId,
          requestId: requestId ?? null,
          idempotencyKeyHash,
          anonymous: partOf === null && rest.caller?.tokenId === null,
          partOf,
          ...(poolId === undefined ? {} : { poolId }),
          ...(held ? { held } : {}),
        },
        ...(profileId
          ? { personal: { subject: profileId, fields: { input, location: cause.client?.location ?? null } } }
          : {}),
      };
      const cleared: CommandEvent = { type: 'command.cleared', version: 1, data: { commandId } };
      const events = held ? [accepted] : [accepted, cleared];
      return this.streams.append(`command-${commandId}`, 'none', events, cause, '', guard);
    };
    const outcome =
      judge === null || operation === null
        ? await append({ held: null })
        : await this.appendJudged(operation, judge, append);
    if (outcome.status === 'appended') return { requestId: requestId ?? null, poolId };
    const { state } = await this.streams.load(command, commandId);
    return { requestId: state.requestId, poolId: state.poolId };
  }

  /** Appends what the policies allow, as they stand in the moment of the append. */
  private async appendJudged<A extends { readonly status: string }>(
    operation: string,
    judge: string,
    append: (verdict: Verdict) => Promise<A>,
  ): Promise<A> {
    for (let attempt = 1; attempt <= attempts; attempt++) {
      const answer = await append(this.gatekeeper.judge(operation, judge));
      if (answer.status !== 'guarded') return answer;
      await this.gatekeeper.refresh(judge);
    }
    // The policies change all the while: whoever evaluates them reads what they are then.
    return append({ held: { policyEventId: operation, profileId: judge, revision: null } });
  }

  private async claimKey({ type, caller, profileId, fields, scope }: Submission, take: boolean) {
    const key = caller.idempotencyKey;
    if (key === null || !fields) return null;
    const owner = caller.profileId ?? scope ?? profileId ?? '';
    const keyHash = this.keys.hashGuess('idempotency-key', JSON.stringify([owner, type, key]));
    const fieldsHash = this.keys.hashGuess('idempotency-fields', canonical(fields));
    const held = take
      ? await this.takeKey(keyHash, fieldsHash, caller.nextCommandId?.() ?? uuid7())
      : { state: (await this.streams.load(idempotencyKey, keyHash)).state, first: false };
    const { commandId, expiresAt } = held.state;
    if (commandId === null || (!take && expiresAt <= this.clock.now())) return null;
    if (!sameSecret(held.state.fieldsHash, fieldsHash)) throw new KeyReused();
    return { commandId, keyHash, first: held.first };
  }

  private async takeKey(keyHash: string, fieldsHash: string, commandId: string) {
    const cause: Cause = { commandId, correlationId: commandId, causationId: commandId, actor: system };
    const take = { commandId, fieldsHash, now: this.clock.now(), expiresAt: this.clock.after(day) };
    const outcome = await this.streams.transact(idempotencyKey, keyHash, takeKey, take, cause);
    if (outcome.status === 'refused') throw new Error('taking an idempotency key is never refused');
    return { state: outcome.state, first: outcome.state.commandId === commandId };
  }
}

function endOf(commandId: string, cause?: Cause): Cause {
  return {
    correlationId: cause?.correlationId ?? commandId,
    actor: cause?.actor ?? system,
    commandId,
    causationId: `${commandId}/end`,
  };
}

/** The same text for the same fields, whatever their order. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`).join(',')}}`;
}
