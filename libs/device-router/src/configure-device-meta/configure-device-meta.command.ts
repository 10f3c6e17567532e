import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';

export interface ConfigureDeviceMetaInput {
  readonly deviceIdentifier: string;
  /** Null stays as it was. */
  readonly name: string | null;
  readonly meta: object | null;
}

@CommandType('device/configure-meta')
export class ConfigureDeviceMeta implements CommandMessage<ConfigureDeviceMetaInput> {
  static readonly type: string;

  constructor(
    readonly data: ConfigureDeviceMetaInput,
    readonly context: Context,
  ) {}
}
