import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';

export interface SynchronizeInput {
  readonly deviceIdentifier: string;
  readonly sourceDeviceIdentifier: string | null;
}

@CommandType('storage/synchronize')
export class Synchronize implements CommandMessage<SynchronizeInput> {
  static readonly type: string;

  constructor(
    readonly data: SynchronizeInput,
    readonly context: Context,
  ) {}
}
