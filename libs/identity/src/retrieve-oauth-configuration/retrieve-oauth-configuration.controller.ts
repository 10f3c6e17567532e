import { Body, Controller } from '@nestjs/common';
import { Audit, type ProfileCaller } from '@symbolon/command-log';
import { CallerOf, Endpoint, notFound, Problem, UuidField } from '@symbolon/http';
import { Applications } from '../oauth-application/applications.query';
import { ClientSecrets } from '../oauth-application/client-secrets';

const path = '/profile/retrieve-oauth-application-configuration';

class RetrieveOAuthConfigurationBody {
  @UuidField({ description: 'The commandId of 11' })
  applicationId!: string;
}

@Controller()
export class RetrieveOAuthConfigurationController {
  constructor(
    private readonly applications: Applications,
    private readonly secrets: ClientSecrets,
    private readonly audit: Audit,
  ) {}

  @Endpoint({
    row: 12,
    name: 'Retrieve OAuth app configuration',
    group: 'OAuth Application',
    verb: 'POST',
    path,
    access: 'K',
  })
  async retrieve(@Body() { applicationId }: RetrieveOAuthConfigurationBody, @CallerOf() caller: ProfileCaller) {
    const found = await this.applications.find(applicationId);
    if (!found) throw notFound();
    if (found.profileId !== caller.profileId) {
      await this.audit.denied(caller, 'POST', path, 'not_found');
      throw notFound();
    }
    const clientSecret = await this.secrets.showFirst(found, caller);
    if (clientSecret === null) throw new Problem(422, 'oauth.already_retrieved');
    const { clientId, redirectUri, scopes } = found;
    return { applicationId, clientId, clientSecret, redirectUri, scopes };
  }
}
