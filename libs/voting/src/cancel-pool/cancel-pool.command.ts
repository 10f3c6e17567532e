import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';

export interface CancelPoolInput {
  readonly poolId: string;
}

@CommandType('voting/cancel-pool')
export class CancelPool implements CommandMessage<CancelPoolInput> {
  static readonly type: string;

  constructor(
    readonly data: CancelPoolInput,
    readonly context: Context,
  ) {}
}
