import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';

export interface RegisterStorageInput {
  readonly deviceIdentifier: string;
}

@CommandType('storage/register')
export class RegisterStorage implements CommandMessage<RegisterStorageInput> {
  static readonly type: string;

  constructor(
    readonly data: RegisterStorageInput,
    readonly context: Context,
  ) {}
}
