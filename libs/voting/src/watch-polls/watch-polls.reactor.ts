import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { AlertRaised } from '@symbolon/contracts';
import { PersonalBoxes, uuid5 } from '@symbolon/crypto';
import { type Cause, Clock, EventStore, type Instant, type Recorded, Streams, system } from '@symbolon/kernel';
import { Registry } from '@symbolon/platform';
import { Deadlines, ReactorRunner } from '@symbolon/projection';
import { Authenticators } from '../authenticator/authenticators';
import type { Shown } from '../poll/open-poll.decide';
import type { PollData } from '../poll/poll.events';
import { poll } from '../poll/poll.model';
import { Polls, settling } from '../poll/polls';
import { endPoll, voidBallots } from '../poll/settle-poll.decide';

const name = 'voting.when-poll-moves-then-watch';
const kind = 'voting.poll';

/** Milliseconds that the end of a poll waits for votes that are on their way through this process. */
const patience = 10_000;

const alerts = {
  rejected: 'poll_rejected',
  failed_quorum: 'poll_quorum_not_met',
  timed_out: 'poll_timed_out',
} as const;

/** Ends polls at their time limit; when one has failed, then its owner is alerted and the next attempt opens. */
@Injectable()
export class WatchPolls implements OnModuleInit {
  constructor(
    private readonly registry: Registry,
    private readonly deadlines: Deadlines,
    private readonly reactors: ReactorRunner,
    private readonly streams: Streams,
    private readonly store: EventStore,
    private readonly boxes: PersonalBoxes,
    private readonly authenticators: Authenticators,
    private readonly polls: Polls,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.registry.reactors({
      name,
      categories: ['poll'],
      on: { 'poll.created': (event) => this.created(event), 'poll.resolved': (event) => this.resolved(event) },
    });
    this.deadlines.handle<{ poolId: string }>(kind, ({ poolId }) => this.end(poolId));
  }

  private async created(event: Recorded): Promise<void> {
    const { poolId, expiresAt, profileId } = event.data as PollData<'poll.created'>;
    await this.deadlines.schedule({ id: `${kind}/${poolId}`, kind, dueAt: expiresAt, data: { poolId } });
    // Where the store keeps no guards an authenticator may have been removed while its ballot was made out.
    const { state } = await this.streams.load(poll, poolId);
    const { devices } = await this.authenticators.of(profileId);
    const deviceIdentifiers = state.ballots
      .map((ballot) => ballot.deviceIdentifier)
      .filter((id) => !devices.includes(id));
    await this.streams.transact(
      poll,
      poolId,
      voidBallots,
      { ...settling(), deviceIdentifiers },
      causeOf(event, 'void'),
    );
  }

  private async end(poolId: string): Promise<void | { again: Instant }> {
    const { state } = await this.streams.load(poll, poolId);
    if (!state.created) return;
    await this.countWhatHasCome();
    const { commandId, chainId, expiresAt } = state.created;
    const cause: Cause = {
      ...{ commandId, correlationId: commandId ?? chainId, actor: system },
      causationId: uuid5(`${poolId}/voting.end-poll`),
    };
    const command = { ...settling(), now: this.clock.now() };
    const outcome = await this.streams.transact(poll, poolId, endPoll, command, cause);
    return outcome.status === 'refused' ? { again: expiresAt } : undefined;
  }

  /** A vote that came in time counts, also where the poll's time is over before anybody has looked at it. */
  private async countWhatHasCome(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, patience)));
    try {
      await Promise.race([this.reactors.passed(await this.store.tail()), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  private async resolved(event: Recorded): Promise<void> {
    const { poolId, nextPoolId, outcome } = event.data as PollData<'poll.resolved'>;
    await this.deadlines.cancel(`${kind}/${poolId}`);
    if (outcome !== 'succeeded' && outcome !== 'cancelled') await this.alert(event, alerts[outcome]);
    if (nextPoolId !== null) await this.repeat(event, poolId, nextPoolId);
  }

  private async alert(event: Recorded, alert: AlertRaised['data']['kind']): Promise<void> {
    const { poolId, profileId, commandId } = event.data as PollData<'poll.resolved'>;
    const cause = { ...causeOf(event, 'alert'), actor: system };
    const data = { alertId: cause.causationId, profileId, kind: alert, poolId, commandId, deviceIdentifier: null };
    const raised: AlertRaised = { type: 'security.alert_raised', version: 1, data };
    await this.streams.append(`alert-${profileId}`, 'any', [raised], cause);
  }

  /** The same question, to whoever is eligible by then. */
  private async repeat(event: Recorded, previousPoolId: string, poolId: string): Promise<void> {
    for await (const first of this.store.read(`poll-${previousPoolId}`)) {
      if (first.type !== 'poll.created') continue;
      const created = first.data as PollData<'poll.created'>;
      const { chainId, profileId, commandId, gated, directoryId, operation, op, skipped, ...rules } = created;
      const attempt = {
        ...{ poolId, chainId, profileId, commandId, gated, directoryId, operation, op, previousPoolId, rules, skipped },
        attempt: created.attempt + 1,
      };
      const shown = (await this.boxes.open(first, profileId)) as Shown | null;
      await this.polls.open(attempt, shown && pick(shown), { ...causeOf(event, 'repeat'), actor: first.meta.actor });
      return;
    }
  }
}

/** Without what else lies in the event's box: it is sealed again with the next event. */
function pick({ title, question, nonce, context, opNonce }: Shown): Shown {
  return { title, question, nonce, context, opNonce };
}

function causeOf({ id, meta }: Recorded, step: string): Cause {
  const { commandId, correlationId, actor } = meta;
  return { commandId, correlationId, actor, causationId: uuid5(`${id}/${name}/${step}`) };
}
