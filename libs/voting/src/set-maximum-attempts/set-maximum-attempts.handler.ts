import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type HandlerResult, resultOf } from '@symbolon/command-log';
import { voting } from '@symbolon/contracts';
import { Streams } from '@symbolon/kernel';
import { SetMaximumAttempts } from './set-maximum-attempts.command';
import { setMaximumAttempts } from './set-maximum-attempts.decide';

@CommandHandler(SetMaximumAttempts)
export class SetMaximumAttemptsHandler implements ICommandHandler<SetMaximumAttempts> {
  constructor(private readonly streams: Streams) {}

  async execute({
    data: { numberOfAttempts },
    context: { profileId, cause },
  }: SetMaximumAttempts): Promise<HandlerResult> {
    const command = { profileId, numberOfAttempts };
    return resultOf(await this.streams.transact(voting, profileId, setMaximumAttempts, command, cause), () => ({
      numberOfAttempts,
    }));
  }
}
