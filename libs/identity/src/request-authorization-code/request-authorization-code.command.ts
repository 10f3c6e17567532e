import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';
import type { RequestCode } from './request-code.decide';

export interface RequestAuthorizationCodeInput extends Omit<RequestCode, 'profileId'> {
  readonly clientId: string;
}

@CommandType('profile/oauth-application-request-authorization-code')
export class RequestAuthorizationCode implements CommandMessage<RequestAuthorizationCodeInput> {
  static readonly type: string;

  constructor(
    readonly data: RequestAuthorizationCodeInput,
    readonly context: Context,
  ) {}
}
