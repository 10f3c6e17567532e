import { Body, Controller } from '@nestjs/common';
import { Audit, type ProfileCaller } from '@symbolon/command-log';
import { CallerOf, Endpoint, notFound, Sessions, TextField, UuidField } from '@symbolon/http';
import { AuthorizationTokens } from '../session/authorization-tokens';

class RevokeTokenBody {
  @TextField(1, 200, { optional: true, description: 'Another token of mine' })
  authorizationToken?: string;

  @UuidField({ optional: true, description: 'All tokens of this application for me' })
  applicationId?: string;
}

@Controller()
export class RevokeTokenController {
  constructor(
    private readonly tokens: AuthorizationTokens,
    private readonly sessions: Sessions,
    private readonly audit: Audit,
  ) {}

  @Endpoint({
    row: 9,
    name: 'Revoke authorization token',
    group: 'Profile',
    verb: 'POST',
    path: '/profile/revoke-authorization-token',
    access: 'T',
    scope: 'any',
    device: true,
  })
  async revoke(@Body() { authorizationToken, applicationId }: RevokeTokenBody, @CallerOf() caller: ProfileCaller) {
    // No application has tokens yet, so none is found.
    if (applicationId !== undefined) throw notFound();
    const tokenId = authorizationToken === undefined ? caller.tokenId : await this.mine(authorizationToken, caller);
    if (!(await this.tokens.revoke(tokenId, caller.profileId, caller))) throw notFound();
    return { revoked: true };
  }

  private async mine(token: string, caller: ProfileCaller): Promise<string> {
    const session = await this.sessions.find(token);
    if (!session) throw notFound();
    if (session.profileId !== caller.profileId) {
      await this.audit.denied(caller, 'POST', '/profile/revoke-authorization-token', 'not_found');
      throw notFound();
    }
    return session.tokenId;
  }
}
