import { Injectable } from '@nestjs/common';
import { KeyStore, PasswordVerifiers, uuid7 } from '@symbolon/crypto';
import { Problem } from '@symbolon/http';
import { type Actor, type Cause, type Client, Clock, Streams, system } from '@symbolon/kernel';
import { profile } from '../profile/profile.model';
import type { ProfileLogin } from '../profile/profiles.query';
import { lockedFor, login } from './login.model';
import { clearFailures, recordFailure } from './record-failure.decide';
import { renewVerifier } from './renew-verifier.decide';

export interface Attempt {
  readonly usernameHash: string;
  /** Null for a name that nobody has: the same work is done against a dummy. */
  readonly login: ProfileLogin | null;
  readonly password: string;
  readonly client: Client;
}

export type Verdict =
  | { readonly ok: false }
  | {
      readonly ok: true;
      readonly profileId: string;
      readonly kind: 'user' | 'device';
      /** Which of the profile's passwords it was: there may be another by the time that something is made of it. */
      readonly passwords: number;
    };

/** Checks passwords, counts failures per username and address, and delays after too many. */
@Injectable()
export class LoginGuard {
  private readonly queues = new Map<string, Promise<unknown>>();

  constructor(
    private readonly streams: Streams,
    private readonly keys: KeyStore,
    private readonly passwords: PasswordVerifiers,
    private readonly clock: Clock,
  ) {}

  /** Throws 429 `profile.login_locked` while the pair is locked, right password or wrong. */
  check(attempt: Attempt): Promise<Verdict> {
    const ip = attempt.client.ip ?? '';
    const id = this.keys.hashGuess('login', JSON.stringify([attempt.usernameHash, ip]));
    // One at a time per pair: many guesses sent at once must not all pass the look at the lock.
    const turn = (this.queues.get(id) ?? Promise.resolve()).then(
      () => this.checkInTurn(id, ip, attempt),
      () => this.checkInTurn(id, ip, attempt),
    );
    this.queues.set(id, turn);
    const leave = () => {
      if (this.queues.get(id) === turn) this.queues.delete(id);
    };
    turn.then(leave, leave);
    return turn;
  }

  private async checkInTurn(
    id: string,
    ip: string,
    { usernameHash, login: known, password, client }: Attempt,
  ): Promise<Verdict> {
    const { state } = await this.streams.load(login, id);
    const seconds = lockedFor(state, this.clock.now());
    if (seconds > 0) {
      throw new Problem(429, 'profile.login_locked', { headers: { 'retry-after': String(seconds) } });
    }
    const { ok, outdated } = await this.passwords.verify(password, known?.verifier ?? null);
    if (ok && known) {
      if (state.failures > 0) await this.streams.transact(login, id, clearFailures, null, newCause());
      if (outdated) await this.renewVerifier(known, password);
      const { profileId, kind, passwords } = known;
      return { ok: true, profileId, kind, passwords };
    }
    const failure = {
      profileId: known?.profileId ?? null,
      usernameHash,
      ipHash: this.keys.hashGuess('address', ip),
      ip: client.ip,
      userAgent: client.userAgent,
      now: this.clock.now(),
    };
    await this.streams.transact(login, id, recordFailure, failure, newCause());
    return { ok: false };
  }

  private async renewVerifier({ profileId, passwords }: ProfileLogin, password: string): Promise<void> {
    const renewal = { profileId, passwords, passwordHash: await this.passwords.hash(password) };
    await this.streams.transact(profile, profileId, renewVerifier, renewal, newCause());
  }
}

function newCause(actor: Actor = system): Cause {
  const id = uuid7();
  return { commandId: null, correlationId: id, causationId: id, actor };
}
