import { Injectable } from '@nestjs/common';
import { type Caller, Commands, type CommandStatus, CommandStatuses, type Submitted } from '@symbolon/command-log';
import { PersonalBoxes, uuid5 } from '@symbolon/crypto';
import { Accepted, closed, commandHeaders, preferredWait, Problem } from '@symbolon/http';
import { type Actor, Clock, EventStore, millisOf } from '@symbolon/kernel';
import type { Reason } from '@symbolon/contracts';
import type { FastifyReply } from 'fastify';
import { AuthorizationTokens, type IssuedToken } from '../session/authorization-tokens';

/** Somebody whose credentials are right. */
export interface Login {
  /** The row's command type. */
  readonly type: string;
  readonly profileId: string;
  /** Which of the profile's passwords it had when the credentials were checked. */
  readonly passwords: number;
  readonly actor: Actor;
  readonly caller: Caller;
  readonly via: 'password' | 'qr';
  /** How long the token is to live. */
  readonly seconds: number;
  /** `ttl` where the caller has chosen it: the vote is about it, too. */
  readonly input: { readonly ttl?: number };
}

/** The command answer: the login waits for a vote, or was rejected at once. */
export type Held = Accepted | { readonly commandId: string; readonly status: 'started' };

const operation = 'profile.authenticate';
/** Seconds that the evaluation of policies may take before the caller is sent away to wait. */
const evaluation = 10;
/** Milliseconds after its success in which the token of a voted login can be fetched. */
const fetchable = 5 * 60_000;

/** Logins under policies (contract, section 10): who has the right credentials may still have to wait for votes. */
@Injectable()
export class HeldLogins {
  constructor(
    private readonly commands: Commands,
    private readonly statuses: CommandStatuses,
    private readonly tokens: AuthorizationTokens,
    private readonly clock: Clock,
    private readonly store: EventStore,
    private readonly boxes: PersonalBoxes,
  ) {}

  /**
   * The token, where nothing holds the login. `held` also where a policy came to name it before the token was there:
   * that one ends before anybody has seen it. Null where the credentials are void by now.
   */
  async issueAtOnce(login: Login): Promise<IssuedToken | 'held' | null> {
    const { profileId, actor, caller } = login;
    const by = { actor, client: caller.client };
    const issued = await this.tokens.issue(login, by);
    if (!issued || !(await this.holds(login))) return issued;
    await this.tokens.revoke(issued.tokenId, profileId, by);
    return 'held';
  }

  holds({ profileId, actor }: Pick<Login, 'profileId' | 'actor'>): Promise<boolean> {
    return this.commands.held(profileId, operation, actor);
  }

  /** Submits the login for judgement. `commandId`: an id that was fixed before. */
  async submit({ type, profileId, actor, caller, input }: Login, commandId?: string): Promise<Submitted> {
    // Nobody is logged in yet: the status can be read without a token, whatever else the call carried.
    const anonymous: Caller = {
      actor,
      client: caller.client,
      profileId: null,
      tokenId: null,
      idempotencyKey: null,
      answered: caller.answered,
    };
    const submission = { type, caller: anonymous, profileId, input, operation } as const;
    return this.commands.submit(commandId === undefined ? submission : { ...submission, commandId });
  }

  /** The token where no policy matches or the votes come in time, else the command answer. */
  async outcome(login: Login, submitted: Submitted, reply: FastifyReply): Promise<IssuedToken | Held> {
    const { commandId } = submitted;
    const verdict = await this.commands.clearance(commandId, evaluation);
    if (verdict === 'rejected') return new Accepted(submitted);
    const final = await this.awaited(commandId, verdict === 'cleared' ? evaluation : wish(reply), reply);
    if (final?.status === 'rejected') return new Accepted(submitted);
    const issued = final && (await this.issue(login, commandId, final.poolId !== null));
    if (!issued) return pending(commandId, reply);
    if (wish(reply) > 0) void reply.headers({ ...headersOf(commandId), 'preference-applied': 'wait' });
    return issued;
  }

  /** The same call with `commandId`: the token once the vote has succeeded, exactly once. */
  async finish(login: Login, commandId: string, reply: FastifyReply): Promise<IssuedToken | Held> {
    const known = await this.commandOf(commandId, login.type, login.profileId);
    if (!known?.anonymous) throw spent();
    const final = await this.awaited(commandId, wish(reply), reply);
    if (!final) return pending(commandId, reply);
    if (final.status === 'rejected') throw new Problem(403, final.reason as Reason);
    if (millisOf(final.updatedAt) + fetchable < this.clock.millis()) throw spent();
    const seconds = (await this.ttlOf(commandId, login.profileId)) ?? login.seconds;
    const issued = await this.issue({ ...login, seconds }, commandId, final.poolId !== null);
    if (!issued) throw spent();
    return issued;
  }

  /** What was asked for when the vote was called: the call that fetches the token cannot ask for more. */
  private async ttlOf(commandId: string, profileId: string): Promise<number | null> {
    for await (const event of this.store.read(`command-${commandId}`)) {
      if (event.type !== 'command.accepted') continue;
      const input = (await this.boxes.open(event, profileId))?.['input'] as Login['input'] | undefined;
      return input?.ttl ?? null;
    }
    return null;
  }

  /** How the command ended, if it does within so many seconds. */
  awaited(commandId: string, seconds: number, reply: FastifyReply) {
    return this.statuses.untilFinal(commandId, seconds * 1000, closed(reply));
  }

  /** The profile's command of this type; null for any other. */
  async commandOf(commandId: string, type: string, profileId: string): Promise<CommandStatus | null> {
    const status = await this.statuses.find(commandId);
    return status?.type === type && status.profileId === profileId ? status : null;
  }

  private issue({ profileId, passwords, actor, caller, via, seconds }: Login, commandId: string, voted: boolean) {
    const tokenId = uuid5(`${commandId}/token`);
    const by = { actor, client: caller.client, commandId };
    const admitted = { profileId, passwords, via: voted ? 'vote' : via, seconds } as const;
    return this.tokens.issueOnce(tokenId, admitted, by);
  }
}

/** Seconds of `Prefer: wait`; 0 where the caller does not want to wait. */
export function wish(reply: FastifyReply): number {
  return preferredWait(reply.request.headers.prefer) ?? 0;
}

/** 202: the command goes on waiting. */
export function pending(commandId: string, reply: FastifyReply): Held {
  void reply.code(202).headers(headersOf(commandId));
  return { commandId, status: 'started' };
}

export function headersOf(commandId: string): Record<string, string> {
  return commandHeaders({ commandId, requestId: null });
}

function spent(): Problem {
  return new Problem(409, 'profile.login_spent');
}
