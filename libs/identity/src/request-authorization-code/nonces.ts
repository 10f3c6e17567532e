import { Injectable } from '@nestjs/common';
import type { ProfileCaller } from '@symbolon/command-log';
import { KeyStore, uuid7 } from '@symbolon/crypto';
import { type Cause, Clock, Streams } from '@symbolon/kernel';
import { authorization } from '../oauth-application/authorization.model';
import { nonce as nonceModel } from './nonce.model';
import { takeNonce } from './take-nonce.decide';

/** The words of a request, as far as a repeat must agree with them. */
export interface AuthorizationWords {
  readonly profileId: string;
  readonly clientId: string;
  readonly nonce: string;
  readonly scope: readonly string[];
}

const day = 24 * 3600;

/** Which authorization request a nonce stands for. */
@Injectable()
export class Nonces {
  constructor(
    private readonly streams: Streams,
    private readonly keys: KeyStore,
    private readonly clock: Clock,
  ) {}

  /** The command of the request that these words stand for, new or not; null where the nonce was used for another one. */
  async take(
    { profileId, clientId, nonce, scope }: AuthorizationWords,
    { actor, client }: ProfileCaller,
  ): Promise<string | null> {
    const id = this.keys.hashGuess('oauth-authorization', JSON.stringify([profileId, clientId, nonce]));
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
