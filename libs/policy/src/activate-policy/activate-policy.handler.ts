import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { HandlerResult } from '@symbolon/command-log';
import { voting } from '@symbolon/contracts';
import { Streams } from '@symbolon/kernel';
import { PolicyChanges } from '../policy/policy-changes';
import { ActivatePolicy } from './activate-policy.command';
import { activatePolicy } from './activate-policy.decide';

@CommandHandler(ActivatePolicy)
export class ActivatePolicyHandler implements ICommandHandler<ActivatePolicy> {
  constructor(
    private readonly changes: PolicyChanges,
    private readonly streams: Streams,
  ) {}

  execute({ data: ref, context: { profileId, cause } }: ActivatePolicy): Promise<HandlerResult> {
    const prepare = async () => {
      const { state, revision } = await this.streams.load(voting, profileId);
      // No authenticator goes and no quorum rises between the look at them and the activation.
      const guard = { stream: `${voting.category}-${profileId}`, revision: revision < 0n ? 'none' : revision } as const;
      return { command: { ref, voting: state }, guard };
    };
    return this.changes.change(profileId, activatePolicy, prepare, cause);
  }
}
