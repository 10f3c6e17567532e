import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';
import type { TokenRef } from '../token/tokens.query';
import type { ConfigureSecurityMetaData } from './configure-security-meta.decide';

export type ConfigureSecurityMetaInput = TokenRef & Omit<ConfigureSecurityMetaData, 'tokenId' | 'owner'>;

@CommandType('data-token/configure-information-security-risk-meta')
export class ConfigureSecurityMeta implements CommandMessage<ConfigureSecurityMetaInput> {
  static readonly type: string;

  constructor(
    readonly data: ConfigureSecurityMetaInput,
    readonly context: Context,
  ) {}
}
