import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';

export interface SetMaximumAttemptsInput {
  readonly numberOfAttempts: number;
}

@CommandType('verified-authenticator/set-maximum-voting-attempts')
export class SetMaximumAttempts implements CommandMessage<SetMaximumAttemptsInput> {
  static readonly type: string;

  constructor(
    readonly data: SetMaximumAttemptsInput,
    readonly context: Context,
  ) {}
}
