import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';
import type { RegisterApplication } from './register-application.decide';

export type RegisterOAuthApplicationInput = Omit<RegisterApplication, 'applicationId' | 'profileId'>;

@CommandType('profile/oauth-application-register')
export class RegisterOAuthApplication implements CommandMessage<RegisterOAuthApplicationInput> {
  static readonly type: string;

  constructor(
    readonly data: RegisterOAuthApplicationInput,
    readonly context: Context,
  ) {}
}
