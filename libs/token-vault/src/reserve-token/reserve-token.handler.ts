import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type HandlerResult, resultOf } from '@symbolon/command-log';
import { KeyStore, mintSecret } from '@symbolon/crypto';
import { Clock, Streams, wholeSeconds } from '@symbolon/kernel';
import { Deadlines } from '@symbolon/projection';
import { reservationDeadline } from '../expire-reservations/expire-reservations.handler';
import { token } from '../token/token.model';
import { ReserveToken } from './reserve-token.command';
import { reserveToken } from './reserve-token.decide';

@CommandHandler(ReserveToken)
export class ReserveTokenHandler implements ICommandHandler<ReserveToken> {
  constructor(
    private readonly streams: Streams,
    private readonly keys: KeyStore,
    private readonly clock: Clock,
    private readonly deadlines: Deadlines,
  ) {}

  /** The string is kept and findable, then reserved: a run that was cut off goes on with the string it had minted. */
  async execute({ data, context }: ReserveToken): Promise<HandlerResult> {
    const { tokenId, ttlMinutes, meta } = data;
    const { profileId, cause } = context;
    const text = await this.keys.keepSecret('data-token', profileId, tokenId, mintSecret('dt_'));
    const tokenHash = this.keys.hashSecret('data-token', text);
    const expiresAt = this.clock.after(ttlMinutes * 60);
    const command = { tokenId, profileId, tokenHash, expiresAt, context: data.context, meta };
    const outcome = await this.streams.transact(token, tokenId, reserveToken, command, cause);
    if (outcome.status === 'succeeded') {
      await this.deadlines.schedule(reservationDeadline(tokenId, outcome.state.expiresAt), 'with-next-commit');
    }
    return resultOf(outcome, (state) => ({ expiresAt: wholeSeconds(state.expiresAt) }));
  }
}
