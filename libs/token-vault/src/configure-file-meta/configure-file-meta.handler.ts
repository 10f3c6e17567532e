import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type HandlerResult, resultOf } from '@symbolon/command-log';
import { Streams } from '@symbolon/kernel';
import { token } from '../token/token.model';
import { ConfigureFileMeta } from './configure-file-meta.command';
import { configureFileMeta } from './configure-file-meta.decide';

@CommandHandler(ConfigureFileMeta)
export class ConfigureFileMetaHandler implements ICommandHandler<ConfigureFileMeta> {
  constructor(private readonly streams: Streams) {}

  async execute({ data, context: { profileId: owner, cause } }: ConfigureFileMeta): Promise<HandlerResult> {
    const { tokenId } = data;
    return resultOf(await this.streams.transact(token, tokenId, configureFileMeta, { ...data, owner }, cause), () => ({
      tokenId,
    }));
  }
}
