import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';
import type { ConfigureFileMetaData } from './configure-file-meta.decide';

export type ConfigureFileMetaInput = Omit<ConfigureFileMetaData, 'owner'>;

@CommandType('data-token/configure-file-meta')
export class ConfigureFileMeta implements CommandMessage<ConfigureFileMetaInput> {
  static readonly type: string;

  constructor(
    readonly data: ConfigureFileMetaInput,
    readonly context: Context,
  ) {}
}
