import { Controller, Param } from '@nestjs/common';
import { Audit, type ProfileCaller } from '@symbolon/command-log';
import { type AccessToken, AccessTokenOf, CallerOf, Endpoint, isUuid, notFound } from '@symbolon/http';
import { Applications } from '../oauth-application/applications.query';

const row = {
  row: 17,
  name: 'Retrieve OAuth application scope',
  group: 'OAuth Application',
  path: '/oauth-application/retrieve-oauth-application-scope',
  access: 'A',
} as const;
const alias = '/oauth/retrieve-oauth-application-scope';

@Controller()
export class RetrieveOAuthScopeController {
  constructor(
    private readonly applications: Applications,
    private readonly audit: Audit,
  ) {}

  @Endpoint({ ...row, verb: 'GET' })
  granted(@AccessTokenOf() { clientId, scopes }: AccessToken) {
    return { clientId, scope: scopes };
  }

  @Endpoint({ ...row, verb: 'POST' })
  grantedByPost(@AccessTokenOf() token: AccessToken) {
    return this.granted(token);
  }

  /** What the application was registered with, for who registered it. */
  @Endpoint({ ...row, verb: 'GET', path: `${alias}/:applicationId`, access: 'K' })
  async registered(@Param('applicationId') applicationId: string, @CallerOf() caller: ProfileCaller) {
    const found = isUuid(applicationId) ? await this.applications.find(applicationId) : null;
    if (!found) throw notFound();
    if (found.profileId !== caller.profileId) {
      await this.audit.denied(caller, 'GET', `${alias}/${applicationId}`, 'not_found');
      throw notFound();
    }
    return { clientId: found.clientId, scope: found.scopes };
  }
}
