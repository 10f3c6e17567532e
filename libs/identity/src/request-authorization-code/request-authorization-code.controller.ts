import { Controller, Query } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { KeyStore, uuid7 } from '@symbolon/crypto';
import { Accepted, CallerOf, Endpoint, ListField, notFound, Problem, TextField } from '@symbolon/http';
import { Applications } from '../oauth-application/applications.query';
import { allScopes, scopesOf } from '../oauth-application/scopes';
import { Nonces } from './nonces';
import { RequestAuthorizationCode, type RequestAuthorizationCodeInput } from './request-authorization-code.command';

class RequestAuthorizationCodeQuery {
  @TextField(1, 200)
  client_id!: string;

  @TextField(1, 255)
  nonce!: string;

  @ListField(1, 100, (value) => typeof value === 'string', { description: '`all` for every registered scope' })
  scope!: string[];
}

@Controller()
export class RequestAuthorizationCodeController {
  constructor(
    private readonly commands: Commands,
    private readonly applications: Applications,
    private readonly nonces: Nonces,
    private readonly keys: KeyStore,
  ) {}

  @Endpoint({
    row: 13,
    name: 'Request OAuth app authorization code',
    group: 'OAuth Application',
    verb: 'GET',
    path: '/profile/oauth-application-request-authorization-code',
    access: 'K',
    command: true,
  })
  async request(@Query() query: RequestAuthorizationCodeQuery, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    if (!scopesOf(query.scope, allScopes)) throw scopeUnknown();
    const application = await this.applications.byClient(query.client_id);
    if (!application) throw notFound();
    const { applicationId, clientId } = application;
    const scope = scopesOf(query.scope, application.scopes);
    if (!scope) throw scopeUnknown();

    const held = await this.nonces.take({ profileId: caller.profileId, clientId, nonce: query.nonce, scope }, caller);
    const input: RequestAuthorizationCodeInput = {
      applicationId,
      clientId,
      scope,
      nonceHash: this.keys.hashGuess('oauth-nonce', query.nonce),
      nonceReused: held === null,
    };
    const commandId = held ?? uuid7();
    return new Accepted(await this.commands.submit({ type: RequestAuthorizationCode.type, caller, input, commandId }));
  }
}

function scopeUnknown(): Problem {
  return new Problem(422, 'oauth.scope_unknown', { errors: { scope: ['has a scope that is not there'] } });
}
