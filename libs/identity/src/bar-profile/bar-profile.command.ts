import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';

export interface BarDeviceInput {
  readonly deviceIdentifier: string;
  readonly cause: string;
}

/** Part of rows 40 and 42: ends the login and the tokens of a device that is no longer wanted. */
@CommandType('profile/bar-device')
export class BarDevice implements CommandMessage<BarDeviceInput> {
  static readonly type: string;

  constructor(
    readonly data: BarDeviceInput,
    readonly context: Context,
  ) {}
}
