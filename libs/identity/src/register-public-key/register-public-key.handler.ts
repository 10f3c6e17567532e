import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Claims, type HandlerResult, rejected, resultOf } from '@symbolon/command-log';
import { Streams } from '@symbolon/kernel';
import { profile } from '../profile/profile.model';
import { Profiles } from '../profile/profiles.query';
import { RegisterPublicKey } from './register-public-key.command';
import { registerPublicKey } from './register-public-key.decide';

@CommandHandler(RegisterPublicKey)
export class RegisterPublicKeyHandler implements ICommandHandler<RegisterPublicKey> {
  constructor(
    private readonly claims: Claims,
    private readonly streams: Streams,
    private readonly profiles: Profiles,
  ) {}

  async execute({ data, context }: RegisterPublicKey): Promise<HandlerResult> {
    const { cause } = context;
    const { profileId, publicKey, fingerprint } = data;
    if (profileId !== context.profileId && !(await this.profiles.ownsDevice(context.profileId, profileId))) {
      return rejected('device.not_found');
    }
    if (!(await this.claims.take('public-key', publicKey, profileId, cause)))
      return rejected('public_key.already_in_use');
    const outcome = await this.streams.transact(profile, profileId, registerPublicKey, data, cause);
    return resultOf(outcome, () => ({ profileId, fingerprint }));
  }
}
