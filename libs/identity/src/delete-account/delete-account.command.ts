import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';
import type { DeleteAccountData } from './delete-account.decide';

/** The password itself never gets here. */
export type DeleteAccountInput = Omit<DeleteAccountData, 'profileId'>;

/** `data` is null when it runs again after it has destroyed the key of its own input. */
@CommandType('profile/delete-account', { erases: true })
export class DeleteAccount implements CommandMessage<DeleteAccountInput | null> {
  static readonly type: string;

  constructor(
    readonly data: DeleteAccountInput | null,
    readonly context: Context,
  ) {}
}
