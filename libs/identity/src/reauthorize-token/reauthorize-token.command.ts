import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';

/** `prolong` is null where a QR token was shown: then the login itself is judged. */
export interface ReauthorizeInput {
  readonly prolong: { readonly tokenId: string; readonly ttl: number } | null;
  /** Seconds that the token of such a login is to live. */
  readonly ttl?: number;
}

@CommandType('profile/reauthorize-authorization-token')
export class Reauthorize implements CommandMessage<ReauthorizeInput> {
  static readonly type: string;

  constructor(
    readonly data: ReauthorizeInput,
    readonly context: Context,
  ) {}
}
