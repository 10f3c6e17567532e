import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';

export interface RemoveDeviceInput {
  readonly deviceIdentifier: string;
}

@CommandType('device/remove')
export class RemoveDevice implements CommandMessage<RemoveDeviceInput> {
  static readonly type: string;

  constructor(
    readonly data: RemoveDeviceInput,
    readonly context: Context,
  ) {}
}
