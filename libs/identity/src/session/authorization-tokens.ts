import { Injectable } from '@nestjs/common';
import { KeyStore, mintSecret, uuid7 } from '@symbolon/crypto';
import { type Actor, type Cause, type Client, Clock, Streams } from '@symbolon/kernel';
import { ProjectionRunner } from '@symbolon/projection';
import { type IssueToken, issueToken } from '../authenticate/issue-token.decide';
import { profile } from '../profile/profile.model';
import { reauthorizeToken } from '../reauthorize-token/reauthorize-token.decide';
import { revokeToken } from '../revoke-token/revoke-token.decide';
import { session } from './session.model';

export interface IssuedToken {
  readonly tokenId: string;
  readonly token: string;
  readonly expiresAt: string;
}

/** For whom a token is issued. */
export interface Admitted {
  readonly profileId: string;
  /** Which of the profile's passwords it had when the credentials were checked: with another one they are void. */
  readonly passwords: number;
  readonly via: 'password' | 'qr' | 'vote';
  /** How long the token lives. */
  readonly seconds: number;
}

interface By {
  readonly actor: Actor;
  readonly client: Client;
  /** The command behind it. */
  readonly commandId?: string;
}

/** Issues and ends authorization tokens at once: when a method resolves, every read shows it. */
@Injectable()
export class AuthorizationTokens {
  constructor(
    private readonly keys: KeyStore,
    private readonly streams: Streams,
    private readonly projections: ProjectionRunner,
    private readonly clock: Clock,
  ) {}

  /** Null where the credentials have become void since they were checked. */
  async issue(admitted: Admitted, by: By): Promise<IssuedToken | null> {
    const tokenId = uuid7();
    const token = mintSecret('T-');
    // The look-up row first: without its event it finds a token that does not live.
    await this.keys.rememberSecret('authorization', token, tokenId);
    const issued = await this.append(tokenId, token, admitted, by);
    if (!issued) await this.keys.forgetSecret('authorization', tokenId);
    return issued;
  }

  /** As `issue`, under an id that is given: null also when there was a token of that id before. */
  async issueOnce(tokenId: string, admitted: Admitted, by: By): Promise<IssuedToken | null> {
    const token = mintSecret('T-');
    // The event first: of two callers only the one that it names makes its token findable.
    const issued = await this.append(tokenId, token, admitted, by);
    if (issued) await this.keys.rememberSecret('authorization', token, tokenId);
    return issued;
  }

  /** Under a guard on the profile: a change of its password ends every token that is there, and none comes after it. */
  private async append(
    tokenId: string,
    token: string,
    { profileId, passwords, via, seconds }: Admitted,
    by: By,
  ): Promise<IssuedToken | null> {
    const expiresAt = this.clock.after(seconds);
    const tokenHash = this.keys.hashSecret('authorization', token);
    const issue: IssueToken = { tokenId, profileId, tokenHash, expiresAt, via };
    const prepare = async () => {
      const { state, revision } = await this.streams.load(profile, profileId);
      const stands = state.phase === 'registered' && state.passwords === passwords;
      return { command: { ...issue, stands }, guard: { stream: `${profile.category}-${profileId}`, revision } };
    };
    const outcome = await this.streams.transactGuarded(session, tokenId, issueToken, prepare, causeOf(by));
    if (outcome.status === 'refused' || outcome.cursor === null) return null;
    await this.projections.passed(outcome.cursor);
    return { tokenId, token, expiresAt };
  }

  /** When the token ends by itself. */
  async expiry(tokenId: string): Promise<string> {
    return (await this.streams.load(session, tokenId)).state.expiresAt;
  }

  /** The new expiry, or null when the token has ended meanwhile. */
  async reauthorize(tokenId: string, seconds: number, by: By): Promise<string | null> {
    const expiresAt = this.clock.after(seconds);
    const outcome = await this.streams.transact(
      session,
      tokenId,
      reauthorizeToken,
      { tokenId, expiresAt },
      causeOf(by),
    );
    if (outcome.status === 'refused') return null;
    await this.projections.passed(outcome.cursor);
    return expiresAt;
  }

  /** False when it is not a live token of the profile. */
  async revoke(tokenId: string, profileId: string, by: By): Promise<boolean> {
    const revoke = { tokenId, profileId, now: this.clock.now() };
    const outcome = await this.streams.transact(session, tokenId, revokeToken, revoke, causeOf(by));
    if (outcome.status === 'refused') return false;
    await this.projections.passed(outcome.cursor);
    return true;
  }
}

function causeOf({ actor, client, commandId }: By): Cause {
  const id = uuid7();
  return { commandId: commandId ?? null, correlationId: commandId ?? id, causationId: id, actor, client };
}
