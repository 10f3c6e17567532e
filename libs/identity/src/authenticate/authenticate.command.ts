import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';

/** A login that policies judge. The credentials were right; what is left to say is whether it may be. */
@CommandType('profile/authenticate')
export class Authenticate implements CommandMessage<Record<string, never>> {
  static readonly type: string;

  constructor(
    readonly data: Record<string, never>,
    readonly context: Context,
  ) {}
}
