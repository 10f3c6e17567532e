import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';
import type { Configuration } from '../policy/configuration';

export interface RegisterPolicyInput {
  readonly id: string;
  readonly name: string;
  readonly policyTemplateId: string;
  readonly applyingEventIds: readonly string[];
  readonly configuration: Configuration;
  /** Name or id of a voting configuration. */
  readonly votingConfiguration: string | null;
}

@CommandType('policy/register')
export class RegisterPolicy implements CommandMessage<RegisterPolicyInput> {
  static readonly type: string;

  constructor(
    readonly data: RegisterPolicyInput,
    readonly context: Context,
  ) {}
}
