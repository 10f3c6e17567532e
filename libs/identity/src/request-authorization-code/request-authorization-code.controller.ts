import { Controller, Query } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { KeyStore, uuid7 } from '@symbolon/crypto';
import { Accepted, CallerOf, Endpoint, ListField, notFound, Problem, TextField } from '@symbolon/http';
import { type Cause, Clock, Streams } from '@symbolon/kernel';
import { Applications } from '../oauth-application/applications.query';
import { authorization } from '../oauth-application/authorization.model';
import { allScopes, scopesOf } from '../oauth-application/scopes';
import { nonce as nonceModel } from './nonce.model';
import { RequestAuthorizationCode, type RequestAuthorizationCodeInput } from './request-authorization-code.command';
import { takeNonce } from './take-nonce.decide';

class RequestAuthorizationCodeQuery {
  @TextField(1, 200)
  client_id!: string;

  @TextField(1, 255)
  nonce!: string;

  @ListField(1, 100, (value) => typeof value === 'string', { description: '`all` for every registered scope' })
  scope!: string[];
}

const day = 24 * 3600;

@Controller()
export class RequestAuthorizationCodeController {
  constructor(
    private readonly commands: Commands,
    private readonly applications: Applications,
    private readonly streams: Streams,
    private readonly keys: KeyStore,
    private readonly clock: Clock,
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

    const held = await this.take(JSON.stringify([caller.profileId, clientId, query.nonce]), scope, caller);
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

  /** The request that these words stand for, new or not; null where the nonce was used for another one. */
  private async take(text: string, scope: readonly string[], { actor, client }: ProfileCaller): Promise<string | null> {
    const id = this.keys.hashGuess('oauth-authorization', text);
    const { state: holder } = await this.streams.load(nonceModel, id);
    const spent = holder.commandId !== null && (await this.hasCode(holder.commandId));
    const commandId = uuid7();
    const cause: Cause = { commandId, correlationId: commandId, causationId: commandId, actor, client };
    const take = {
      commandId,
      scope,
      now: this.clock.now(),
      expiresAt: this.clock.after(day),
      spentBy: spent ? holder.commandId : null,
    };
    const outcome = await this.streams.transact(nonceModel, id, takeNonce, take, cause);
    if (outcome.status === 'refused') throw new Error('taking a nonce is never refused');
    const { state } = outcome;
    if (state.commandId === commandId) return commandId;
    return spent || state.scope.join() !== scope.join() ? null : state.commandId;
  }

  private async hasCode(commandId: string): Promise<boolean> {
    const { state } = await this.streams.load(authorization, commandId);
    return state.phase !== 'absent' && state.phase !== 'requested';
  }
}

function scopeUnknown(): Problem {
  return new Problem(422, 'oauth.scope_unknown', { errors: { scope: ['has a scope that is not there'] } });
}
