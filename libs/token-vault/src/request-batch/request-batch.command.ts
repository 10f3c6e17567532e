import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';
import type { Instant } from '@symbolon/kernel';
import type { TokenRef } from '../token/tokens.query';

export type RequestBatchItem = TokenRef & { readonly requestId: string };

export interface RequestBatchInput {
  readonly begunAt: Instant;
  readonly sealed: boolean;
  readonly items: readonly RequestBatchItem[];
}

@CommandType('data-token/batch-request')
export class RequestBatch implements CommandMessage<RequestBatchInput> {
  static readonly type: string;

  constructor(
    readonly data: RequestBatchInput,
    readonly context: Context,
  ) {}
}
