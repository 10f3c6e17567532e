import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type HandlerResult, resultOf } from '@symbolon/command-log';
import { VotingChanges } from '../voting-changes';
import { RegisterConfiguration } from './register-configuration.command';
import { registerConfiguration } from './register-configuration.decide';

@CommandHandler(RegisterConfiguration)
export class RegisterConfigurationHandler implements ICommandHandler<RegisterConfiguration> {
  constructor(private readonly changes: VotingChanges) {}

  async execute({ data, context: { profileId, cause } }: RegisterConfiguration): Promise<HandlerResult> {
    const outcome = await this.changes.apply(profileId, registerConfiguration, { ...data, profileId }, cause);
    return resultOf(outcome, () => ({ id: data.id, name: data.name }));
  }
}
