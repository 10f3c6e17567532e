import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type HandlerResult, resultOf } from '@symbolon/command-log';
import { Streams } from '@symbolon/kernel';
import { poll } from '../poll/poll.model';
import { cancelPoll } from '../poll/settle-poll.decide';
import { statementHash } from '../poll/statements';
import { CancelPool } from './cancel-pool.command';

@CommandHandler(CancelPool)
export class CancelPoolHandler implements ICommandHandler<CancelPool> {
  constructor(private readonly streams: Streams) {}

  async execute({ data: { poolId }, context: { profileId, cause } }: CancelPool): Promise<HandlerResult> {
    const command = { owner: profileId, announced: null, hash: statementHash };
    return resultOf(await this.streams.transact(poll, poolId, cancelPoll, command, cause), () => ({ poolId }));
  }
}
