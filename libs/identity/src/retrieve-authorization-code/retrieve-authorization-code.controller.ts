import { Body, Controller } from '@nestjs/common';
import { Audit, type Caller } from '@symbolon/command-log';
import { KeyStore, mintSecret, sameSecret, uuid7 } from '@symbolon/crypto';
import {
  CallerOf,
  type ClientApplication,
  ClientOf,
  Endpoint,
  notFound,
  Problem,
  TextField,
  UuidField,
} from '@symbolon/http';
import { type Cause, Clock, Streams, wholeSeconds } from '@symbolon/kernel';
import { ProjectionRunner } from '@symbolon/projection';
import { authorization } from '../oauth-application/authorization.model';
import { AuthorizationRequests } from './authorization-requests.query';
import { issueCode } from './issue-code.decide';

const path = '/oauth-application/retrieve-authorization-code';
/** Seconds that a code lives. */
const lifetime = 600;

class RetrieveAuthorizationCodeBody {
  @UuidField({ description: 'The commandId of 13' })
  id!: string;

  @TextField(1, 255)
  nonce!: string;
}

@Controller()
export class RetrieveAuthorizationCodeController {
  constructor(
    private readonly requests: AuthorizationRequests,
    private readonly keys: KeyStore,
    private readonly streams: Streams,
    private readonly projections: ProjectionRunner,
    private readonly clock: Clock,
    private readonly audit: Audit,
  ) {}

  @Endpoint({
    row: 14,
    name: 'Retrieve OAuth app authorization code',
    group: 'OAuth Application',
    verb: 'POST',
    path,
    access: 'B',
  })
  async retrieve(
    @Body() { id, nonce }: RetrieveAuthorizationCodeBody,
    @ClientOf() { applicationId, clientId }: ClientApplication,
    @CallerOf() caller: Caller,
  ) {
    const request = await this.requests.find(id);
    if (!request) throw notFound();
    if (request.applicationId !== applicationId) {
      await this.audit.denied(caller, 'POST', path, 'not_found');
      throw notFound();
    }
    const { profileId, nonceHash, status } = request;
    if (status !== 'succeeded' && status !== 'rejected') throw new Problem(409, 'command.pending');
    if (!sameSecret(nonceHash, this.keys.hashGuess('oauth-nonce', nonce))) {
      throw new Problem(422, 'oauth.nonce_mismatch');
    }
    if (status === 'rejected') throw new Problem(422, 'oauth.authorization_denied');

    const actor = { profileId, kind: 'application', applicationId } as const;
    const issued = await this.issue(id, { actor, client: caller.client });
    return { clientId, nonce, ...issued };
  }

  private async issue(authorizationId: string, { actor, client }: Pick<Caller, 'actor' | 'client'>) {
    const code = mintSecret();
    const codeId = uuid7();
    const expiresAt = this.clock.after(lifetime);
    const { state } = await this.streams.load(authorization, authorizationId);
    if (state.phase !== 'requested') throw new Problem(422, 'oauth.already_retrieved');
    if (await this.requests.hasEnded(authorizationId)) throw new Problem(422, 'oauth.authorization_denied');
    // The look-up row first: without its event it leads to nothing.
    await this.keys.rememberSecret('oauth-code', code, codeId);
    const command = { codeId, codeHash: this.keys.hashSecret('oauth-code', code), expiresAt };
    const cause: Cause = { commandId: null, correlationId: authorizationId, causationId: codeId, actor, client };
    const outcome = await this.streams.transact(authorization, authorizationId, issueCode, command, cause);
    if (outcome.status === 'refused') {
      await this.keys.forgetSecret('oauth-code', codeId);
      throw new Problem(422, 'oauth.already_retrieved');
    }
    await this.projections.passed(outcome.cursor);
    return { authorizationCode: code, expiresAt: wholeSeconds(expiresAt) };
  }
}
