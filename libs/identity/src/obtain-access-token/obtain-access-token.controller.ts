import { Body, Controller } from '@nestjs/common';
import type { Caller } from '@symbolon/command-log';
import { CallerOf, type ClientApplication, ClientOf, Endpoint, TextField, unauthorized } from '@symbolon/http';
import { Applications } from '../oauth-application/applications.query';
import { TokenFamilies } from '../oauth-application/token-families';
import { exchangeCode } from './exchange-code.decide';

class ObtainAccessTokenBody {
  @TextField(1, 200)
  authorization_code!: string;
}

@Controller()
export class ObtainAccessTokenController {
  constructor(
    private readonly applications: Applications,
    private readonly families: TokenFamilies,
  ) {}

  @Endpoint({
    row: 15,
    name: 'Obtain OAuth app access token',
    group: 'OAuth Application',
    verb: 'POST',
    path: '/oauth-application/obtain-access-token',
    access: 'B',
  })
  async obtain(
    @Body() { authorization_code: code }: ObtainAccessTokenBody,
    @ClientOf() { applicationId, clientId }: ClientApplication,
    @CallerOf() caller: Caller,
  ): Promise<object> {
    const holder = await this.applications.holderOf(code);
    // A code of another client says nothing about who has it: that one may still be on its way to its owner.
    if (holder?.applicationId !== applicationId) throw unauthorized();
    const { authorizationId: familyId, profileId } = holder;
    const family = { familyId, applicationId, clientId, profileId };
    const pair = await this.families.issue(family, exchangeCode, {}, caller);
    if (!pair) throw unauthorized();
    return pair;
  }
}
