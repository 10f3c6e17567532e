import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';
import type { ChangePasswordData } from './change-password.decide';

@CommandType('profile/change-password')
export class ChangePassword implements CommandMessage<Omit<ChangePasswordData, 'profileId'>> {
  static readonly type: string;

  constructor(
    readonly data: Omit<ChangePasswordData, 'profileId'>,
    readonly context: Context,
  ) {}
}
