import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';
import type { Instant } from '@symbolon/kernel';
import type { ParcelRef } from '../exchange-data/exchange-data.decide';
import type { TokenChanges } from '../token/token.events';
import type { TokenRef } from '../token/tokens.query';

/** `parcel` is null where no data was given, or where the token is unknown. */
export type UpdateDataInput = TokenRef & {
  readonly begunAt: Instant;
  readonly parcel: ParcelRef | null;
  readonly changes: TokenChanges;
};

@CommandType('data-token/update-data')
export class UpdateData implements CommandMessage<UpdateDataInput> {
  static readonly type: string;

  constructor(
    readonly data: UpdateDataInput,
    readonly context: Context,
  ) {}
}
