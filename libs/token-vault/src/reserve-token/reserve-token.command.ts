import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';
import type { TokenMeta } from '../token/token.events';

export interface ReserveTokenInput {
  readonly tokenId: string;
  readonly context: string;
  readonly ttlMinutes: number;
  readonly meta: TokenMeta;
}

@CommandType('data-token/reserve-token-space')
export class ReserveToken implements CommandMessage<ReserveTokenInput> {
  static readonly type: string;

  constructor(
    readonly data: ReserveTokenInput,
    readonly context: Context,
  ) {}
}
