import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';

export interface SetQuorumSizeInput {
  readonly quorumSize: number;
}

@CommandType('verified-authenticator/set-quorum-size')
export class SetQuorumSize implements CommandMessage<SetQuorumSizeInput> {
  static readonly type: string;

  constructor(
    readonly data: SetQuorumSizeInput,
    readonly context: Context,
  ) {}
}
