import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';

export interface RequestIdentifierInput {
  readonly deviceIdentifier: string;
  readonly clientId: string;
  readonly deviceName: string;
  readonly meta: object | null;
  readonly passwordHash: string;
  readonly loginKeyId: string;
  readonly loginOnce: string;
  readonly publicKey: string | null;
  readonly signingKey: string | null;
}

@CommandType('device/request-unique-identifier')
export class RequestIdentifier implements CommandMessage<RequestIdentifierInput> {
  static readonly type: string;

  constructor(
    readonly data: RequestIdentifierInput,
    readonly context: Context,
  ) {}
}
