import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type HandlerResult, rejected, resultOf, succeeded } from '@symbolon/command-log';
import { Clock, Streams } from '@symbolon/kernel';
import { session } from '../session/session.model';
import { Reauthorize } from './reauthorize-token.command';
import { reauthorizeToken } from './reauthorize-token.decide';

/** The time is counted from the vote's success. Of a login by QR token nothing is done here: its token is fetched. */
@CommandHandler(Reauthorize)
export class ReauthorizeHandler implements ICommandHandler<Reauthorize> {
  constructor(
    private readonly streams: Streams,
    private readonly clock: Clock,
  ) {}

  async execute({ data: { prolong }, context }: Reauthorize): Promise<HandlerResult> {
    if (!prolong) return succeeded(null);
    const { tokenId, ttl } = prolong;
    const command = { tokenId, expiresAt: this.clock.after(ttl) };
    const outcome = await this.streams.transact(session, tokenId, reauthorizeToken, command, context.cause);
    return outcome.status === 'refused' ? rejected('not_found') : resultOf(outcome, () => null);
  }
}
