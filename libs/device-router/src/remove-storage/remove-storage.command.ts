import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';

export interface RemoveStorageInput {
  readonly deviceIdentifier: string;
}

@CommandType('storage/remove')
export class RemoveStorage implements CommandMessage<RemoveStorageInput> {
  static readonly type: string;

  constructor(
    readonly data: RemoveStorageInput,
    readonly context: Context,
  ) {}
}
