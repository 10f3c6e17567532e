import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type HandlerResult, resultOf } from '@symbolon/command-log';
import { VotingChanges } from '../voting-changes';
import { SetQuorumStrategy } from './set-quorum-strategy.command';
import { setQuorumStrategy } from './set-quorum-strategy.decide';

@CommandHandler(SetQuorumStrategy)
export class SetQuorumStrategyHandler implements ICommandHandler<SetQuorumStrategy> {
  constructor(private readonly changes: VotingChanges) {}

  async execute({ data: { strategy }, context: { profileId, cause } }: SetQuorumStrategy): Promise<HandlerResult> {
    const outcome = await this.changes.apply(profileId, setQuorumStrategy, { profileId, strategy }, cause);
    return resultOf(outcome, () => ({ strategy: strategy.strategy, strategy_params: strategy.strategyParams ?? '' }));
  }
}
