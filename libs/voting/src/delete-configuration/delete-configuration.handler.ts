import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type HandlerResult, rejected, succeeded } from '@symbolon/command-log';
import { EventStore } from '@symbolon/kernel';
import { changedBy } from '../configuration/named-result';
import { VotingChanges } from '../voting-changes';
import { DeleteConfiguration } from './delete-configuration.command';
import { deleteConfiguration } from './delete-configuration.decide';

@CommandHandler(DeleteConfiguration)
export class DeleteConfigurationHandler implements ICommandHandler<DeleteConfiguration> {
  constructor(
    private readonly changes: VotingChanges,
    private readonly store: EventStore,
  ) {}

  async execute({ data, context: { profileId, cause } }: DeleteConfiguration): Promise<HandlerResult> {
    const outcome = await this.changes.apply(profileId, deleteConfiguration, data, cause);
    if (outcome.status === 'refused') return rejected(outcome.refusal);
    return succeeded(await changedBy(cause, this.store, profileId), outcome.cursor);
  }
}
