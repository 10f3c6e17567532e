import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type HandlerResult, rejected, succeeded } from '@symbolon/command-log';
import { Streams } from '@symbolon/kernel';
import { FirstKeys } from '../profile/first-keys';
import { KeyClaims } from '../profile/key-claims';
import { profile } from '../profile/profile.model';
import { Profiles } from '../profile/profiles.query';
import { RegisterPublicKey } from './register-public-key.command';
import { registerPublicKey } from './register-public-key.decide';

@CommandHandler(RegisterPublicKey)
export class RegisterPublicKeyHandler implements ICommandHandler<RegisterPublicKey> {
  constructor(
    private readonly claims: KeyClaims,
    private readonly firstKeys: FirstKeys,
    private readonly streams: Streams,
    private readonly profiles: Profiles,
  ) {}

  async execute(command: RegisterPublicKey): Promise<HandlerResult> {
    const { data, context } = command;
    const result = await this.register(command);
    await this.firstKeys.end(data.deviceIdentifier ?? context.profileId, data, context.cause);
    return result;
  }

  /**
   * The key is claimed under a hold of this command before the profile names it; afterwards the hold of the key that it
   * replaced is released, or its own where the profile did not take the key. A run that was cut off does the same again.
   */
  private async register({ data, context }: RegisterPublicKey): Promise<HandlerResult> {
    const { cause, commandId: claimId } = context;
    const { deviceIdentifier, ...key } = data;
    const { publicKey, fingerprint } = key;
    const profileId = await this.profiles.keyHolder(context.actor, context.profileId, deviceIdentifier);
    if (profileId === null) return rejected('device.not_found');
    const held = await this.claims.hold({ publicKey, claimId }, profileId, cause);
    if (held === 'taken') return rejected('public_key.already_in_use');
    if (held === 'released') {
      // An earlier run came to its end. Another command may have put another key there since.
      const { state } = await this.streams.load(profile, profileId);
      return state.phase === 'registered' ? succeeded({ profileId, fingerprint }) : rejected('device.not_found');
    }
    const outcome = await this.streams.transact(
      profile,
      profileId,
      registerPublicKey,
      { ...key, profileId, claimId },
      cause,
    );
    if (outcome.status === 'refused') {
      await this.claims.release({ publicKey, claimId }, profileId, cause);
      return rejected(outcome.refusal);
    }
    const { state, cursor } = outcome;
    const former = state.replaced.get(claimId);
    if (former) await this.claims.release(former, profileId, cause);
    const used = state.claimId === claimId || [...state.replaced.values()].some((key) => key.claimId === claimId);
    if (!used) await this.claims.release({ publicKey, claimId }, profileId, cause);
    return succeeded({ profileId, fingerprint }, cursor);
  }
}
