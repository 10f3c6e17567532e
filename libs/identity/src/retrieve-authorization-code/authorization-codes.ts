import { Injectable } from '@nestjs/common';
import { KeyStore, mintSecret, uuid7 } from '@symbolon/crypto';
import { type Actor, type Cause, type Client, Clock, type Instant, Streams } from '@symbolon/kernel';
import { ProjectionRunner } from '@symbolon/projection';
import { authorization } from '../oauth-application/authorization.model';
import { issueCode } from './issue-code.decide';

/** Seconds that a code lives. */
const lifetime = 600;

/** Issues codes for consents. */
@Injectable()
export class AuthorizationCodes {
  constructor(
    private readonly keys: KeyStore,
    private readonly streams: Streams,
    private readonly projections: ProjectionRunner,
    private readonly clock: Clock,
  ) {}

  /** Whether the consent has had its code. */
  async wasIssued(authorizationId: string): Promise<boolean> {
    const { state } = await this.streams.load(authorization, authorizationId);
    return state.phase !== 'requested';
  }

  /** Null where another call was first. */
  async issue(
    authorizationId: string,
    { actor, client }: { readonly actor: Actor; readonly client: Client },
  ): Promise<{ readonly code: string; readonly expiresAt: Instant } | null> {
    const code = mintSecret();
    const codeId = uuid7();
    const expiresAt = this.clock.after(lifetime);
    // The look-up row first: without its event it leads to nothing.
    await this.keys.rememberSecret('oauth-code', code, codeId);
    const command = { codeId, codeHash: this.keys.hashSecret('oauth-code', code), expiresAt };
    const cause: Cause = { commandId: null, correlationId: authorizationId, causationId: codeId, actor, client };
    const outcome = await this.streams.transact(authorization, authorizationId, issueCode, command, cause);
    if (outcome.status === 'refused') {
      await this.keys.forgetSecret('oauth-code', codeId);
      return null;
    }
    await this.projections.passed(outcome.cursor);
    return { code, expiresAt };
  }
}
