import { Controller, Param } from '@nestjs/common';
import { Audit, type ProfileCaller } from '@symbolon/command-log';
import { KeyStore } from '@symbolon/crypto';
import { CallerOf, Endpoint, isUuid, notFound } from '@symbolon/http';
import { Clock, wholeSeconds } from '@symbolon/kernel';
import { Settings } from '@symbolon/settings';
import { Tokens } from '../token/tokens.query';
import { IssueStreamAuthHandler } from './issue-stream-auth.handler';

const path = '/data-token/retrieve-temporary-data-token';

@Controller()
export class RetrieveTemporaryTokenController {
  constructor(
    private readonly tokens: Tokens,
    private readonly keys: KeyStore,
    private readonly auths: IssueStreamAuthHandler,
    private readonly clock: Clock,
    private readonly audit: Audit,
    private readonly settings: Settings,
  ) {}

  @Endpoint({
    row: 24,
    name: 'Retrieve temporary data token',
    group: 'Data Token',
    verb: 'GET',
    path: `${path}/:commandId`,
    access: 'K',
    scope: 'data-token:read',
  })
  async retrieve(@Param('commandId') commandId: string, @CallerOf() caller: ProfileCaller): Promise<object> {
    const row = isUuid(commandId) ? await this.tokens.reservedBy(commandId) : null;
    if (row && row.profile_id !== caller.profileId) {
      await this.audit.denied(caller, 'GET', `${path}/${commandId}`, 'not_found');
      throw notFound();
    }
    if (row?.status !== 'temporary' || row.writing || row.expires_at.getTime() <= this.clock.millis()) throw notFound();
    const text = await this.keys.readString(row.profile_id, row.token_id);
    const issued = text === null ? null : await this.auths.issue(row, caller);
    if (!issued) throw notFound();
    const { protocol, hostname, port } = new URL(this.settings.upstreamUrl);
    return {
      token: text,
      stream: issued.url,
      streamServerId: `${protocol}//${hostname}`,
      streamServerPort: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port),
      streamAuthenticationToken: issued.auth,
      expiresAt: wholeSeconds(issued.expiresAt),
    };
  }
}
