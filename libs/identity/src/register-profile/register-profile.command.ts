import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';

export interface RegisterProfileInput {
  readonly username: string;
  readonly passwordHash: string;
}

/** `data` is null when it runs again after it has destroyed the key of its own input: nobody came of it. */
@CommandType('profile/register-profile', { erases: true })
export class RegisterProfile implements CommandMessage<RegisterProfileInput | null> {
  static readonly type: string;

  constructor(
    readonly data: RegisterProfileInput | null,
    readonly context: Context,
  ) {}
}
