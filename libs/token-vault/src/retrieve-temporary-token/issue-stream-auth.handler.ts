import { Injectable } from '@nestjs/common';
import type { ProfileCaller } from '@symbolon/command-log';
import { uuid7 } from '@symbolon/crypto';
import { Clock, instant, Streams } from '@symbolon/kernel';
import { type IssuedAuth, Transfers } from '@symbolon/transfer';
import type { UploadRef } from '../exchange-data/receive-upload';
import { token } from '../token/token.model';
import type { TokenRow } from '../token/tokens.query';
import { issueStreamAuth } from './issue-stream-auth.decide';

/** Issues the auth of an upload, which lives as long as the reservation. */
@Injectable()
export class IssueStreamAuthHandler {
  constructor(
    private readonly transfers: Transfers,
    private readonly streams: Streams,
    private readonly clock: Clock,
  ) {}

  /** Null when the token is no open reservation any more. */
  async issue(
    { token_id: tokenId, profile_id: owner, expires_at }: TokenRow,
    caller: ProfileCaller,
  ): Promise<IssuedAuth | null> {
    const ref: UploadRef = { tokenId, actor: caller.actor };
    const issued = await this.transfers.issue({
      direction: 'up',
      purpose: 'reservation',
      id: tokenId,
      ref,
      expiresAt: instant(expires_at.getTime()),
    });
    const id = uuid7();
    const cause = { commandId: null, correlationId: id, causationId: id, actor: caller.actor, client: caller.client };
    const command = { tokenId, owner, now: this.clock.now(), authHash: issued.authHash };
    const outcome = await this.streams.transact(token, tokenId, issueStreamAuth, command, cause);
    return outcome.status === 'refused' ? null : issued;
  }
}
