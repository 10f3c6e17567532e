import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';

export interface RejectDeviceInput {
  readonly deviceIdentifier: string;
}

@CommandType('device/reject-device')
export class RejectDevice implements CommandMessage<RejectDeviceInput> {
  static readonly type: string;

  constructor(
    readonly data: RejectDeviceInput,
    readonly context: Context,
  ) {}
}
