import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type HandlerResult, resultOf } from '@symbolon/command-log';
import { Streams } from '@symbolon/kernel';
import { profile } from '../profile/profile.model';
import { ChangePassword } from './change-password.command';
import { changePassword } from './change-password.decide';

@CommandHandler(ChangePassword)
export class ChangePasswordHandler implements ICommandHandler<ChangePassword> {
  constructor(private readonly streams: Streams) {}

  async execute({ data, context: { profileId, cause } }: ChangePassword): Promise<HandlerResult> {
    const outcome = await this.streams.transact(profile, profileId, changePassword, { ...data, profileId }, cause);
    return resultOf(outcome, () => ({ profileId }));
  }
}
