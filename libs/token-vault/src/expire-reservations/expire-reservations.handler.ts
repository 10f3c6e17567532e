import { Injectable, type OnModuleInit } from '@nestjs/common';
import { KeyStore, uuid5 } from '@symbolon/crypto';
import { Clock, EventStore, type Instant, millisOf, Streams, system } from '@symbolon/kernel';
import { type Deadline, Deadlines, ProjectionRunner } from '@symbolon/projection';
import { Transfers } from '@symbolon/transfer';
import { token } from '../token/token.model';
import { Tokens } from '../token/tokens.query';
import { expireReservation } from './expire-reservation.decide';

const kind = 'token-vault.reservation';
/** Seconds between looks at a reservation whose time is over while something is still under way: the longer it takes, the rarer. */
const recheck = { shortest: 1, longest: 60 };
/** No status object shows a string any more so many seconds after its token is gone: 30 days, and an hour for the last command to end. */
const strings = 30 * 24 * 3600 + 3600;

export function reservationDeadlineId(tokenId: string): string {
  return `${kind}/${tokenId}`;
}

export function reservationDeadline(tokenId: string, dueAt: Instant): Deadline {
  return { id: reservationDeadlineId(tokenId), kind, dueAt, data: { tokenId } };
}

/** Deadline: a string in the key store, of a token or of a download, is shown nowhere any more. */
export function forgetDeadline(id: string, clock: Clock): Deadline {
  return { id: `token-vault.forget/${id}`, kind: 'token-vault.forget', dueAt: clock.after(strings), data: { id } };
}

/** When a reservation's time is over and nothing is under way that may still make it permanent, then it expires. */
@Injectable()
export class ExpireReservations implements OnModuleInit {
  constructor(
    private readonly streams: Streams,
    private readonly store: EventStore,
    private readonly projections: ProjectionRunner,
    private readonly transfers: Transfers,
    private readonly deadlines: Deadlines,
    private readonly tokens: Tokens,
    private readonly keys: KeyStore,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.deadlines.handle<{ tokenId: string }>(kind, ({ tokenId }) => this.expire(tokenId));
    this.deadlines.handle<{ id: string }>('token-vault.forget', async ({ id }) => {
      await this.keys.dropString(id);
      await this.keys.forgetSecret('data-token', id);
    });
  }

  async expire(tokenId: string): Promise<void | { again: Instant }> {
    if (await this.underWay(tokenId)) return { again: await this.later(tokenId) };
    const cause = {
      commandId: null,
      correlationId: tokenId,
      causationId: uuid5(`${tokenId}/token-vault.expire-reservations`),
      actor: system,
    };
    const command = { tokenId, now: this.clock.now() };
    const outcome = await this.streams.transact(token, tokenId, expireReservation, command, cause);
    if (outcome.status === 'refused') return { again: await this.later(tokenId) };
    if (outcome.state.phase !== 'expired') return;
    await this.transfers.revoke('reservation', tokenId);
    // The string stays findable as long, so that a late exchange learns that it came too late.
    await this.deadlines.schedule(forgetDeadline(tokenId, this.clock));
  }

  /** A command may be held for days; its end is looked after at once, so this look is only there in case. */
  private async later(tokenId: string): Promise<Instant> {
    const { state } = await this.streams.load(token, tokenId);
    const over = (this.clock.millis() - millisOf(state.expiresAt)) / 1000;
    return this.clock.after(Math.ceil(Math.min(Math.max(over / 10, recheck.shortest), recheck.longest)));
  }

  /** In this order: an upload that has just ended has left a command, which the projections show once they have passed. */
  private async underWay(tokenId: string): Promise<boolean> {
    if (await this.transfers.running('reservation', tokenId)) return true;
    await this.projections.passed(await this.store.tail());
    return this.tokens.commandPending(tokenId);
  }
}
