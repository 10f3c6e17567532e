import { Body, Controller } from '@nestjs/common';
import type { Caller } from '@symbolon/command-log';
import { type AccessToken, AccessTokenOf, CallerOf, Endpoint, TextField, unauthorized } from '@symbolon/http';
import { Applications } from '../oauth-application/applications.query';
import { TokenFamilies } from '../oauth-application/token-families';
import { type RefreshPair, refreshPair } from './refresh-pair.decide';

class RefreshAccessTokenBody {
  @TextField(1, 200)
  refresh_token!: string;
}

@Controller()
export class RefreshAccessTokenController {
  constructor(
    private readonly applications: Applications,
    private readonly families: TokenFamilies,
  ) {}

  /** A pair that has ended gets here too: that its refresh token comes again is what must be noticed. */
  @Endpoint({
    row: 18,
    name: 'Refresh OAuth app access token',
    group: 'OAuth Application',
    verb: 'POST',
    path: '/oauth-application/refresh-access-token',
    access: 'A',
    lapsed: true,
  })
  async refresh(
    @Body() { refresh_token: refreshToken }: RefreshAccessTokenBody,
    @AccessTokenOf() token: AccessToken,
    @CallerOf() caller: Caller,
  ): Promise<object> {
    const shown = await this.applications.pairOf(refreshToken);
    if (shown?.familyId !== token.familyId || shown.familyEnded) throw unauthorized();
    const ids = { accessTokenId: token.tokenId, refreshTokenId: shown.tokenId };
    const pair = await this.families.issue<RefreshPair>(token, refreshPair, ids, caller);
    if (!pair) throw unauthorized();
    return pair;
  }
}
