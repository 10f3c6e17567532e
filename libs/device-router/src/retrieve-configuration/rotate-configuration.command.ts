import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';

export interface RotateConfigurationInput {
  readonly deviceIdentifier: string;
}

/** Row 41 with `rotate` where a policy holds it; otherwise it is done by return. */
@CommandType('device/retrieve-device-configuration')
export class RotateConfiguration implements CommandMessage<RotateConfigurationInput> {
  static readonly type: string;

  constructor(
    readonly data: RotateConfigurationInput,
    readonly context: Context,
  ) {}
}
