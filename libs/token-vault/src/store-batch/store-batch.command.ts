import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';
import type { Instant } from '@symbolon/kernel';
import type { ParcelRef } from '../exchange-data/exchange-data.decide';

export interface StoreBatchItem {
  readonly tokenId: string;
  readonly context: string;
  readonly parcel: ParcelRef;
}

export interface StoreBatchInput {
  readonly begunAt: Instant;
  readonly items: readonly StoreBatchItem[];
}

@CommandType('data-token/batch')
export class StoreBatch implements CommandMessage<StoreBatchInput> {
  static readonly type: string;

  constructor(
    readonly data: StoreBatchInput,
    readonly context: Context,
  ) {}
}
