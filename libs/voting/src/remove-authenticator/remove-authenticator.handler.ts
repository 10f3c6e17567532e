import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type HandlerResult, rejected, succeeded } from '@symbolon/command-log';
import { Polls } from '../poll/polls';
import { VotingChanges } from '../voting-changes';
import { RemoveAuthenticator } from './remove-authenticator.command';
import { removeAuthenticator } from './remove-authenticator.decide';

@CommandHandler(RemoveAuthenticator)
export class RemoveAuthenticatorHandler implements ICommandHandler<RemoveAuthenticator> {
  constructor(
    private readonly changes: VotingChanges,
    private readonly polls: Polls,
  ) {}

  /** Its open ballots are void before the command ends. */
  async execute({ data, context: { profileId, cause } }: RemoveAuthenticator): Promise<HandlerResult> {
    const { deviceIdentifier } = data;
    const command = { profileId, deviceIdentifier };
    const outcome = await this.changes.apply(profileId, removeAuthenticator, command, cause);
    if (outcome.status === 'refused') return rejected(outcome.refusal);
    const voided = await this.polls.withdraw(deviceIdentifier, cause, outcome.cursor);
    return succeeded({ deviceIdentifier }, voided ?? outcome.cursor);
  }
}
