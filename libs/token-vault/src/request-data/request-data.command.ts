import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';
import type { Instant } from '@symbolon/kernel';

export interface RequestDataInput {
  readonly tokenId: string;
  readonly requestId: string;
  readonly sealed: boolean;
  readonly begunAt: Instant;
}

@CommandType('data-token/request-data')
export class RequestData implements CommandMessage<RequestDataInput> {
  static readonly type: string;

  constructor(
    readonly data: RequestDataInput,
    readonly context: Context,
  ) {}
}
