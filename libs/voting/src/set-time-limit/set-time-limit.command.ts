import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';

export interface SetTimeLimitInput {
  /** Seconds. */
  readonly timeLimit: number;
}

@CommandType('verified-authenticator/set-voting-time-limit')
export class SetTimeLimit implements CommandMessage<SetTimeLimitInput> {
  static readonly type: string;

  constructor(
    readonly data: SetTimeLimitInput,
    readonly context: Context,
  ) {}
}
