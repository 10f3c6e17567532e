import { Injectable } from '@nestjs/common';
import type { Caller } from '@symbolon/command-log';
import type { AuthorizationEvent, TokensRevoked } from '@symbolon/contracts';
import { KeyStore, mintSecret, uuid7 } from '@symbolon/crypto';
import { type Cause, Clock, type Decide, Streams, wholeSeconds } from '@symbolon/kernel';
import { ProjectionRunner } from '@symbolon/projection';
import { type Authorization, authorization, type NewPair, type PairCommand } from './authorization.model';
import { revokeFamily } from './revoke-family.decide';
import { Applications } from './applications.query';

/** Seconds that an access token and a refresh token live. */
const lifetimes = { access: 3600, refresh: 30 * 24 * 3600 } as const;

interface Family {
  readonly familyId: string;
  readonly applicationId: string;
  readonly clientId: string;
  readonly profileId: string;
}

/** Issues and ends the tokens of applications at once: when a method resolves, every read shows it. */
@Injectable()
export class TokenFamilies {
  constructor(
    private readonly keys: KeyStore,
    private readonly streams: Streams,
    private readonly projections: ProjectionRunner,
    private readonly applications: Applications,
    private readonly clock: Clock,
  ) {}

  /** The answer of rows 15 and 18; null where the decision gave no pair. */
  async issue<C extends PairCommand>(
    { familyId, applicationId, clientId, profileId }: Family,
    decide: Decide<C, AuthorizationEvent, Authorization>,
    rest: Omit<C, keyof PairCommand>,
    { client }: Caller,
  ): Promise<object | null> {
    const tokenId = uuid7();
    const token = mintSecret('T-');
    const refreshToken = mintSecret();
    // The look-up rows first: without their event they find a token that does not live.
    await this.keys.rememberSecret('oauth-access', token, tokenId);
    await this.keys.rememberSecret('oauth-refresh', refreshToken, tokenId);
    const pair: NewPair = {
      tokenId,
      tokenHash: this.keys.hashSecret('oauth-access', token),
      refreshTokenHash: this.keys.hashSecret('oauth-refresh', refreshToken),
      expiresAt: this.clock.after(lifetimes.access),
      refreshTokenExpiresAt: this.clock.after(lifetimes.refresh),
    };
    const id = uuid7();
    const actor = { profileId, kind: 'application', applicationId } as const;
    const cause: Cause = { commandId: null, correlationId: id, causationId: id, actor, client };
    const command = { ...rest, familyId, now: this.clock.now(), pair } as unknown as C;
    const outcome = await this.streams.transact(authorization, familyId, decide, command, cause);
    if (outcome.status === 'succeeded') await this.projections.passed(outcome.cursor);
    if (outcome.status === 'refused' || outcome.state.tokenId !== tokenId) {
      await this.keys.forgetSecret('oauth-access', tokenId);
      await this.keys.forgetSecret('oauth-refresh', tokenId);
      return null;
    }
    return {
      clientId,
      token,
      refreshToken,
      type: 'bearer',
      scope: outcome.state.scope,
      expiresAt: wholeSeconds(pair.expiresAt),
      refreshTokenExpiresAt: wholeSeconds(pair.refreshTokenExpiresAt),
    };
  }

  /** Ends a live token and the family that it is the youngest of. False when it does not live. */
  async revoke(familyId: string, tokenId: string, { actor, client }: Caller): Promise<boolean> {
    const id = uuid7();
    const cause: Cause = { commandId: null, correlationId: id, causationId: id, actor, client };
    const outcome = await this.streams.transact(authorization, familyId, revokeFamily, { tokenId }, cause);
    if (outcome.status === 'refused') return false;
    await this.projections.passed(outcome.cursor);
    return true;
  }

  /** Ends all that the profile granted to the application. False where the two have nothing to do with each other. */
  async revokeAll(applicationId: string, profileId: string, { actor, client }: Caller): Promise<boolean> {
    if (!(await this.applications.concerns(applicationId, profileId))) return false;
    const revoked: TokensRevoked = {
      type: 'profile.tokens_revoked',
      version: 1,
      data: { profileId, exceptTokenId: null, applicationId, cause: 'application_revoked' },
    };
    const id = uuid7();
    const cause: Cause = { commandId: null, correlationId: id, causationId: id, actor, client };
    const appended = await this.streams.append(`profile-${profileId}`, 'any', [revoked], cause);
    if (appended.status !== 'conflict') await this.projections.passed(appended.cursor);
    return true;
  }
}
