import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type HandlerResult, rejected, succeeded } from '@symbolon/command-log';
import { EventStore } from '@symbolon/kernel';
import { changedBy } from '../configuration/named-result';
import { VotingChanges } from '../voting-changes';
import { UpdateConfiguration } from './update-configuration.command';
import { updateConfiguration } from './update-configuration.decide';

@CommandHandler(UpdateConfiguration)
export class UpdateConfigurationHandler implements ICommandHandler<UpdateConfiguration> {
  constructor(
    private readonly changes: VotingChanges,
    private readonly store: EventStore,
  ) {}

  async execute({ data, context: { profileId, cause } }: UpdateConfiguration): Promise<HandlerResult> {
    const outcome = await this.changes.apply(profileId, updateConfiguration, data, cause);
    if (outcome.status === 'refused') return rejected(outcome.refusal);
    return succeeded(await changedBy(cause, this.store, profileId), outcome.cursor);
  }
}
