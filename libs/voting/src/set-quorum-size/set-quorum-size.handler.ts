import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type HandlerResult, resultOf } from '@symbolon/command-log';
import { VotingChanges } from '../voting-changes';
import { SetQuorumSize } from './set-quorum-size.command';
import { setQuorumSize } from './set-quorum-size.decide';

@CommandHandler(SetQuorumSize)
export class SetQuorumSizeHandler implements ICommandHandler<SetQuorumSize> {
  constructor(private readonly changes: VotingChanges) {}

  async execute({ data: { quorumSize }, context: { profileId, cause } }: SetQuorumSize): Promise<HandlerResult> {
    const outcome = await this.changes.apply(profileId, setQuorumSize, { profileId, quorumSize }, cause);
    return resultOf(outcome, () => ({ quorumSize }));
  }
}
