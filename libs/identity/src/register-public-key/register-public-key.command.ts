import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';
import type { RegisterPublicKeyData } from './register-public-key.decide';

@CommandType('public-key/register-public-key')
export class RegisterPublicKey implements CommandMessage<RegisterPublicKeyData> {
  static readonly type: string;

  constructor(
    readonly data: RegisterPublicKeyData,
    readonly context: Context,
  ) {}
}
