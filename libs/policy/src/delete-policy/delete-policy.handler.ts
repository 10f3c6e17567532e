import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { HandlerResult } from '@symbolon/command-log';
import { PolicyChanges } from '../policy/policy-changes';
import { DeletePolicy } from './delete-policy.command';
import { deletePolicy } from './delete-policy.decide';

@CommandHandler(DeletePolicy)
export class DeletePolicyHandler implements ICommandHandler<DeletePolicy> {
  constructor(private readonly changes: PolicyChanges) {}

  execute({ data: ref, context: { profileId, cause } }: DeletePolicy): Promise<HandlerResult> {
    return this.changes.change(profileId, deletePolicy, () => Promise.resolve({ command: { ref } }), cause);
  }
}
