import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { HandlerResult } from '@symbolon/command-log';
import { PolicyChanges } from '../policy/policy-changes';
import { DeactivatePolicy } from './deactivate-policy.command';
import { deactivatePolicy } from './deactivate-policy.decide';

@CommandHandler(DeactivatePolicy)
export class DeactivatePolicyHandler implements ICommandHandler<DeactivatePolicy> {
  constructor(private readonly changes: PolicyChanges) {}

  execute({ data: ref, context: { profileId, cause } }: DeactivatePolicy): Promise<HandlerResult> {
    return this.changes.change(profileId, deactivatePolicy, () => Promise.resolve({ command: { ref } }), cause);
  }
}
