import { Body, Controller, Req } from '@nestjs/common';
import { Audit, type ProfileCaller } from '@symbolon/command-log';
import {
  type AccessToken,
  CallerOf,
  Endpoint,
  notFound,
  Problem,
  type Session,
  Sessions,
  TextField,
  UuidField,
} from '@symbolon/http';
import type { FastifyRequest } from 'fastify';
import { Applications } from '../oauth-application/applications.query';
import { TokenFamilies } from '../oauth-application/token-families';
import { AuthorizationTokens } from '../session/authorization-tokens';

const path = '/profile/revoke-authorization-token';

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
    private readonly families: TokenFamilies,
    private readonly applications: Applications,
    private readonly sessions: Sessions,
    private readonly audit: Audit,
  ) {}

  @Endpoint({
    row: 9,
    name: 'Revoke authorization token',
    group: 'Profile',
    verb: 'POST',
    path,
    access: 'T',
    scope: 'any',
    device: true,
  })
  async revoke(
    @Body() { authorizationToken, applicationId }: RevokeTokenBody,
    @CallerOf() caller: ProfileCaller,
    @Req() { session }: FastifyRequest,
  ) {
    if (applicationId !== undefined) {
      await this.revokeApplication(applicationId, caller, session?.applicationId);
    } else {
      const meant = authorizationToken === undefined ? session : await this.mine(authorizationToken, caller, session);
      if (!meant || !(await this.end(meant, caller))) throw notFound();
    }
    return { revoked: true };
  }

  private async revokeApplication(applicationId: string, caller: ProfileCaller, own: string | undefined) {
    if (own !== undefined && own !== applicationId) throw await this.insufficient(caller);
    if (await this.families.revokeAll(applicationId, caller.profileId, caller)) return;
    if (await this.applications.find(applicationId)) await this.audit.denied(caller, 'POST', path, 'not_found');
    throw notFound();
  }

  private async end(session: Session, caller: ProfileCaller): Promise<boolean> {
    if (session.kind !== 'application') return this.tokens.revoke(session.tokenId, caller.profileId, caller);
    const { familyId } = session as AccessToken;
    return this.families.revoke(familyId, session.tokenId, caller);
  }

  private async mine(token: string, caller: ProfileCaller, own: Session | null | undefined): Promise<Session> {
    const session = await this.sessions.find(token);
    const isMine = session?.profileId === caller.profileId;
    // An application ends its own tokens and nobody else's.
    if (own?.kind === 'application' && (!isMine || session.applicationId !== own.applicationId)) {
      throw await this.insufficient(caller);
    }
    if (!session) throw notFound();
    if (!isMine) {
      await this.audit.denied(caller, 'POST', path, 'not_found');
      throw notFound();
    }
    return session;
  }

  private async insufficient(caller: ProfileCaller): Promise<Problem> {
    await this.audit.denied(caller, 'POST', path, 'oauth.scope_insufficient');
    return new Problem(403, 'oauth.scope_insufficient');
  }
}
