import { Body, Controller } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { Accepted, CallerOf, Endpoint } from '@symbolon/http';
import { Clock } from '@symbolon/kernel';
import { RiskSection, TokenField } from '../token/token-fields';
import { Tokens } from '../token/tokens.query';
import { ConfigureSecurityMeta, type ConfigureSecurityMetaInput } from './configure-security-meta.command';

class ConfigureSecurityMetaBody extends RiskSection {
  @TokenField()
  token!: string;
}

@Controller()
export class ConfigureSecurityMetaController {
  constructor(
    private readonly commands: Commands,
    private readonly tokens: Tokens,
    private readonly clock: Clock,
  ) {}

  @Endpoint({
    row: 29,
    name: 'Configure information security risk meta',
    group: 'Data Token',
    verb: 'POST',
    path: '/data-token/configure-information-security-risk-meta',
    access: 'K',
    scope: 'data-token:write',
    command: true,
  })
  async configure(@Body() body: ConfigureSecurityMetaBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const { token, classification, label, handling } = body;
    const ref = await this.tokens.refer(token, caller.profileId);
    const input: ConfigureSecurityMetaInput = {
      ...ref,
      begunAt: this.clock.now(),
      classification,
      label,
      handling,
    };
    return new Accepted(await this.commands.submit({ type: ConfigureSecurityMeta.type, caller, input, fields: body }));
  }
}
