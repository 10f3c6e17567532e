import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';
import type { Instant } from '@symbolon/kernel';
import type { TokenRef } from '../token/tokens.query';
import type { ParcelRef } from './exchange-data.decide';

/** `parcel` is null where the token is unknown: then nothing was sealed. */
export type ExchangeDataInput = TokenRef & { readonly begunAt: Instant; readonly parcel: ParcelRef | null };

@CommandType('data-token/exchange-data-for-token')
export class ExchangeData implements CommandMessage<ExchangeDataInput> {
  static readonly type: string;

  constructor(
    readonly data: ExchangeDataInput,
    readonly context: Context,
  ) {}
}

@CommandType('upstream')
export class ExchangeUpload implements CommandMessage<ExchangeDataInput> {
  static readonly type: string;

  constructor(
    readonly data: ExchangeDataInput,
    readonly context: Context,
  ) {}
}
