import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';
import type { Strategy, VotingConfigurationFields } from '@symbolon/contracts';

export interface UpdateConfigurationInput {
  readonly id: string | null;
  readonly name: string | null;
  /** With its parameter. */
  readonly strategy: Strategy | null;
  /** A parameter without a strategy, as `threshold` reads it. */
  readonly parameter: Strategy | null;
  /** Those that were given. */
  readonly fields: Partial<Omit<VotingConfigurationFields, keyof Strategy | 'percentageRequired'>>;
}

@CommandType('verified-authenticator/voting-configuration/update')
export class UpdateConfiguration implements CommandMessage<UpdateConfigurationInput> {
  static readonly type: string;

  constructor(
    readonly data: UpdateConfigurationInput,
    readonly context: Context,
  ) {}
}
