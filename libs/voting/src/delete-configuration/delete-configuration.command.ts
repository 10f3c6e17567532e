import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';

export interface DeleteConfigurationInput {
  readonly id: string | null;
  readonly name: string | null;
}

@CommandType('verified-authenticator/voting-configuration/delete')
export class DeleteConfiguration implements CommandMessage<DeleteConfigurationInput> {
  static readonly type: string;

  constructor(
    readonly data: DeleteConfigurationInput,
    readonly context: Context,
  ) {}
}
