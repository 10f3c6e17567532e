import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';
import type { Strategy } from '@symbolon/contracts';

export interface SetQuorumStrategyInput {
  readonly strategy: Strategy;
}

@CommandType('verified-authenticator/set-quorum-strategy')
export class SetQuorumStrategy implements CommandMessage<SetQuorumStrategyInput> {
  static readonly type: string;

  constructor(
    readonly data: SetQuorumStrategyInput,
    readonly context: Context,
  ) {}
}
