import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type HandlerResult, rejected, resultOf } from '@symbolon/command-log';
import { Streams } from '@symbolon/kernel';
import { token } from '../token/token.model';
import { ConfigureSecurityMeta } from './configure-security-meta.command';
import { configureSecurityMeta } from './configure-security-meta.decide';

@CommandHandler(ConfigureSecurityMeta)
export class ConfigureSecurityMetaHandler implements ICommandHandler<ConfigureSecurityMeta> {
  constructor(private readonly streams: Streams) {}

  async execute({ data, context: { profileId: owner, cause } }: ConfigureSecurityMeta): Promise<HandlerResult> {
    const { tokenId } = data;
    if (tokenId === null) return rejected('data_token.not_found');
    const command = { ...data, tokenId, owner };
    return resultOf(await this.streams.transact(token, tokenId, configureSecurityMeta, command, cause), () => ({
      tokenId,
    }));
  }
}
