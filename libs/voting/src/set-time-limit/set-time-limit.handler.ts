import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type HandlerResult, resultOf } from '@symbolon/command-log';
import { voting } from '@symbolon/contracts';
import { Streams } from '@symbolon/kernel';
import { SetTimeLimit } from './set-time-limit.command';
import { setTimeLimit } from './set-time-limit.decide';

@CommandHandler(SetTimeLimit)
export class SetTimeLimitHandler implements ICommandHandler<SetTimeLimit> {
  constructor(private readonly streams: Streams) {}

  async execute({ data: { timeLimit }, context: { profileId, cause } }: SetTimeLimit): Promise<HandlerResult> {
    const command = { profileId, timeLimit };
    return resultOf(await this.streams.transact(voting, profileId, setTimeLimit, command, cause), () => ({
      timeLimit,
    }));
  }
}
