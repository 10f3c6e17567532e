import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';

export interface WithdrawDeviceInput {
  readonly deviceIdentifier: string;
}

/** Part of row 42: takes the vote, and the open ballots, of a device that is no more. */
@CommandType('verified-authenticator/withdraw-device')
export class WithdrawDevice implements CommandMessage<WithdrawDeviceInput> {
  static readonly type: string;

  constructor(
    readonly data: WithdrawDeviceInput,
    readonly context: Context,
  ) {}
}
