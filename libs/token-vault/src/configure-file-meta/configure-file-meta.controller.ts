import { Body, Controller } from '@nestjs/common';
import { Audit, Commands, type ProfileCaller } from '@symbolon/command-log';
import { Accepted, CallerOf, Endpoint, IntField, TextField } from '@symbolon/http';
import { Clock } from '@symbolon/kernel';
import { TokenField } from '../token/token-fields';
import { Tokens } from '../token/tokens.query';
import { ConfigureFileMeta, type ConfigureFileMetaInput } from './configure-file-meta.command';

const path = '/data-token/configure-file-meta';

class ConfigureFileMetaBody {
  @TokenField()
  token!: string;

  @TextField(1, 255)
  fileName!: string;

  @TextField(0, 32)
  extension!: string;

  @TextField(1, 255, { optional: true, description: "Replaces the token's" })
  context?: string;

  @IntField(0, Number.MAX_SAFE_INTEGER, { optional: true })
  size?: number;

  @TextField(0, 1024, { optional: true })
  path?: string;
}

@Controller()
export class ConfigureFileMetaController {
  constructor(
    private readonly commands: Commands,
    private readonly tokens: Tokens,
    private readonly clock: Clock,
    private readonly audit: Audit,
  ) {}

  @Endpoint({
    row: 30,
    name: 'Configure file meta',
    group: 'Data Token',
    verb: 'POST',
    path,
    access: 'K',
    scope: 'data-token:write',
  })
  async configure(@Body() body: ConfigureFileMetaBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const { token, context = null, ...file } = body;
    const denied = () => this.audit.denied(caller, 'POST', path, 'data_token.not_found');
    const tokenId = await this.tokens.own(token, caller, denied);
    const input: ConfigureFileMetaInput = { tokenId, begunAt: this.clock.now(), file: { ...file }, context };
    const submitted = await this.commands.submit({ type: ConfigureFileMeta.type, caller, input });
    return new Accepted(submitted, { token });
  }
}
