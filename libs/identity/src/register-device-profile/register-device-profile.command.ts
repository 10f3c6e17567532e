import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';

export interface RegisterDeviceProfileInput {
  readonly deviceIdentifier: string;
  readonly passwordHash: string;
  readonly publicKey?: string | null;
  readonly signingKey?: string | null;
}

/** Part of row 35: the device's own profile, login and keys. */
@CommandType('profile/register-device')
export class RegisterDeviceProfile implements CommandMessage<RegisterDeviceProfileInput> {
  static readonly type: string;

  constructor(
    readonly data: RegisterDeviceProfileInput,
    readonly context: Context,
  ) {}
}
