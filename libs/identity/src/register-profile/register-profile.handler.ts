import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Claims, type HandlerResult, rejected, resultOf, succeeded } from '@symbolon/command-log';
import { KeyStore } from '@symbolon/crypto';
import { Streams } from '@symbolon/kernel';
import { profile } from '../profile/profile.model';
import { normalisedUsername } from '../profile/username';
import { RegisterProfile } from './register-profile.command';
import { registerProfile } from './register-profile.decide';

@CommandHandler(RegisterProfile)
export class RegisterProfileHandler implements ICommandHandler<RegisterProfile> {
  constructor(
    private readonly claims: Claims,
    private readonly streams: Streams,
    private readonly keys: KeyStore,
  ) {}

  async execute({ data: input, context }: RegisterProfile): Promise<HandlerResult> {
    const { profileId, cause } = context;
    if (!input) return this.erased(profileId);
    const { username, passwordHash } = input;
    const name = normalisedUsername(username);
    if (!(await this.claims.take('username', name, profileId, cause))) {
      // What somebody wanted to be called, and with which password, is nobody's now.
      await this.keys.destroySubject(profileId);
      return rejected('profile.username_taken');
    }
    const usernameHash = this.keys.hashGuess('username', name);
    const data = { profileId, kind: 'user', username, usernameHash, passwordHash, managedBy: null } as const;
    return resultOf(await this.streams.transact(profile, profileId, registerProfile, data, cause), () => ({
      profileId,
    }));
  }

  private async erased(profileId: string): Promise<HandlerResult> {
    const { state } = await this.streams.load(profile, profileId);
    return state.phase === 'absent' ? rejected('profile.username_taken') : succeeded({ profileId });
  }
}
