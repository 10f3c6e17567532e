import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';

export interface RegisterAuthenticatorInput {
  readonly deviceIdentifier: string;
}

@CommandType('verified-authenticator/register')
export class RegisterAuthenticator implements CommandMessage<RegisterAuthenticatorInput> {
  static readonly type: string;

  constructor(
    readonly data: RegisterAuthenticatorInput,
    readonly context: Context,
  ) {}
}
