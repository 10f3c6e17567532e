import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';

export interface RegisterProfileInput {
  readonly username: string;
  readonly passwordHash: string;
}

@CommandType('profile/register-profile')
export class RegisterProfile implements CommandMessage<RegisterProfileInput> {
  static readonly type: string;

  constructor(
    readonly data: RegisterProfileInput,
    readonly context: Context,
  ) {}
}
