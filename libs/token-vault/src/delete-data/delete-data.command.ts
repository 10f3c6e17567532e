import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';
import type { Instant } from '@symbolon/kernel';
import type { TokenRef } from '../token/tokens.query';

export type DeleteDataInput = TokenRef & { readonly begunAt: Instant };

@CommandType('data-token/delete-data')
export class DeleteData implements CommandMessage<DeleteDataInput> {
  static readonly type: string;

  constructor(
    readonly data: DeleteDataInput,
    readonly context: Context,
  ) {}
}
