import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';
import type { RegisterPublicKeyData } from './register-public-key.decide';

export interface RegisterPublicKeyInput extends Omit<RegisterPublicKeyData, 'profileId'> {
  /** Null: the caller's own key. */
  readonly deviceIdentifier: string | null;
}

@CommandType('public-key/register-public-key')
export class RegisterPublicKey implements CommandMessage<RegisterPublicKeyInput> {
  static readonly type: string;

  constructor(
    readonly data: RegisterPublicKeyInput,
    readonly context: Context,
  ) {}
}
