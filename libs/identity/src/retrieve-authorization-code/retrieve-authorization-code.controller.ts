import { Body, Controller } from '@nestjs/common';
import { Audit, type Caller } from '@symbolon/command-log';
import { KeyStore, sameSecret } from '@symbolon/crypto';
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
import { wholeSeconds } from '@symbolon/kernel';
import { AuthorizationCodes } from './authorization-codes';
import { AuthorizationRequests } from './authorization-requests.query';

const path = '/oauth-application/retrieve-authorization-code';

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
    private readonly codes: AuthorizationCodes,
    private readonly keys: KeyStore,
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

    if (await this.codes.wasIssued(id)) throw new Problem(422, 'oauth.already_retrieved');
    if (await this.requests.hasEnded(id)) throw new Problem(422, 'oauth.authorization_denied');
    const actor = { profileId, kind: 'application', applicationId } as const;
    const issued = await this.codes.issue(id, { actor, client: caller.client });
    if (!issued) throw new Problem(422, 'oauth.already_retrieved');
    return { clientId, nonce, authorizationCode: issued.code, expiresAt: wholeSeconds(issued.expiresAt) };
  }
}
