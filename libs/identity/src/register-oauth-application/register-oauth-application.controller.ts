import { Body, Controller } from '@nestjs/common';
import { Commands, KeyReused, type ProfileCaller } from '@symbolon/command-log';
import { uuid7 } from '@symbolon/crypto';
import { Accepted, CallerOf, Endpoint, invalid, ListField, Problem, TextField } from '@symbolon/http';
import { ClientSecrets } from '../oauth-application/client-secrets';
import { allScopes, scopesOf } from '../oauth-application/scopes';
import { isRedirectUri } from './redirect-uri';
import { RegisterOAuthApplication, type RegisterOAuthApplicationInput } from './register-oauth-application.command';

const isText = (value: unknown) => typeof value === 'string';

class RegisterOAuthApplicationBody {
  @TextField(1, 100)
  name!: string;

  @TextField(1, 2048, { description: 'https, or http for a loopback host' })
  redirectUri!: string;

  @ListField(1, 100, isText, { optional: true, description: 'Required, here or as `scope`; `all` for every scope' })
  scopes?: string[];

  @ListField(1, 100, isText, { optional: true, description: 'Another name of `scopes`' })
  scope?: string[];
}

@Controller()
export class RegisterOAuthApplicationController {
  constructor(
    private readonly commands: Commands,
    private readonly secrets: ClientSecrets,
  ) {}

  @Endpoint({
    row: 11,
    name: 'Register OAuth Application',
    group: 'OAuth Application',
    verb: 'POST',
    path: '/profile/oauth-application-register',
    aliases: ['/oauth/register-oauth-application'],
    access: 'K',
    command: true,
  })
  async register(@Body() body: RegisterOAuthApplicationBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const { name, redirectUri } = body;
    const asked = body.scopes ?? body.scope;
    if (!isRedirectUri(redirectUri)) throw invalid({ redirectUri: ['must be an https URI'] });
    if (!asked) throw invalid({ scopes: ['is required'] });
    const scopes = scopesOf(asked, allScopes);
    if (!scopes) throw new Problem(422, 'oauth.scope_unknown', { errors: { scopes: ['has an unknown scope'] } });

    const submission = { type: RegisterOAuthApplication.type, caller, fields: { name, redirectUri, scopes } };
    const earlier = await this.commands.earlier({ ...submission, input: {} });
    if (earlier) return new Accepted(earlier);

    const secret = await this.secrets.mint();
    const input: RegisterOAuthApplicationInput = { clientId: uuid7(), name, redirectUri, scopes, ...secret };
    try {
      const submitted = await this.commands.submit({ ...submission, input });
      if (submitted.repeated) await this.secrets.forget(secret.secretKeyId);
      return new Accepted(submitted);
    } catch (error) {
      // Not where it is unknown whether the command was recorded.
      if (error instanceof KeyReused) await this.secrets.forget(secret.secretKeyId);
      throw error;
    }
  }
}
