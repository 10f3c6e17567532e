import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';

export interface RemoveAuthenticatorInput {
  readonly deviceIdentifier: string;
}

@CommandType('verified-authenticator/remove')
export class RemoveAuthenticator implements CommandMessage<RemoveAuthenticatorInput> {
  static readonly type: string;

  constructor(
    readonly data: RemoveAuthenticatorInput,
    readonly context: Context,
  ) {}
}
