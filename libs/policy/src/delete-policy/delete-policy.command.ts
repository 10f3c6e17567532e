import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';
import type { PolicyRef } from '../policy/policy.model';

@CommandType('policy/delete')
export class DeletePolicy implements CommandMessage<PolicyRef> {
  static readonly type: string;

  constructor(
    readonly data: PolicyRef,
    readonly context: Context,
  ) {}
}
