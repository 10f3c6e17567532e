import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type HandlerResult, rejected, succeeded } from '@symbolon/command-log';
import { EventStore, Streams } from '@symbolon/kernel';
import { ProjectionRunner } from '@symbolon/projection';
import { profile } from '../profile/profile.model';
import { DeleteAccount } from './delete-account.command';
import { deleteAccount } from './delete-account.decide';
import { EraseProfile } from './erase-profile';

@CommandHandler(DeleteAccount)
export class DeleteAccountHandler implements ICommandHandler<DeleteAccount> {
  constructor(
    private readonly streams: Streams,
    private readonly store: EventStore,
    private readonly projections: ProjectionRunner,
    private readonly eraser: EraseProfile,
  ) {}

  /**
   * The event first: from there on nothing turns back. A run that was cut off comes again, without its input where the
   * key of that is gone; the event that stands in the log says then that it was this command.
   */
  async execute({ data, context }: DeleteAccount): Promise<HandlerResult> {
    const { profileId, cause } = context;
    const command = { profileId, verified: data?.verified ?? null };
    const outcome = await this.streams.transact(profile, profileId, deleteAccount, command, cause);
    if (outcome.status === 'refused') return rejected(outcome.refusal);
    // What was registered before must be seen, and what comes now finds a profile that is deleted.
    await this.projections.passed(await this.store.tail());
    await this.eraser.erase(profileId, outcome.state, cause);
    return succeeded(null, outcome.cursor);
  }
}
