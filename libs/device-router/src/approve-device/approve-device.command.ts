import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';
import type { NewSecret } from '../channel/channel-secrets';

export type ApproveDeviceInput = { readonly deviceIdentifier: string } & NewSecret;

@CommandType('device/approve-device')
export class ApproveDevice implements CommandMessage<ApproveDeviceInput> {
  static readonly type: string;

  constructor(
    readonly data: ApproveDeviceInput,
    readonly context: Context,
  ) {}
}
