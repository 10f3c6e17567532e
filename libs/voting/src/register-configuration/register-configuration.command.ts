import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';
import type { VotingConfigurationFields } from '@symbolon/contracts';

export interface RegisterConfigurationInput {
  readonly id: string;
  readonly name: string;
  readonly fields: VotingConfigurationFields;
}

@CommandType('verified-authenticator/voting-configuration/register')
export class RegisterConfiguration implements CommandMessage<RegisterConfigurationInput> {
  static readonly type: string;

  constructor(
    readonly data: RegisterConfigurationInput,
    readonly context: Context,
  ) {}
}
