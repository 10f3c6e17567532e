import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type HandlerResult, rejected, resultOf } from '@symbolon/command-log';
import { KeyStore, parsePublicKey } from '@symbolon/crypto';
import { Streams } from '@symbolon/kernel';
import { KeyClaims } from '../profile/key-claims';
import { profile } from '../profile/profile.model';
import { RegisterDeviceProfile } from './register-device-profile.command';
import { registerDeviceProfile } from './register-device-profile.decide';

@CommandHandler(RegisterDeviceProfile)
export class RegisterDeviceProfileHandler implements ICommandHandler<RegisterDeviceProfile> {
  constructor(
    private readonly claims: KeyClaims,
    private readonly streams: Streams,
    private readonly keys: KeyStore,
  ) {}

  async execute({ data, context: { cause, commandId: claimId } }: RegisterDeviceProfile): Promise<HandlerResult> {
    const { deviceIdentifier, passwordHash, publicKey, signingKey } = data;
    const key = publicKey
      ? { publicKey, signingKey: signingKey ?? null, fingerprint: parsePublicKey(publicKey).fingerprint, claimId }
      : null;
    if (key && (await this.claims.hold(key, deviceIdentifier, cause)) === 'taken') {
      return rejected('public_key.already_in_use');
    }
    await this.keys.createSubject(deviceIdentifier);
    const usernameHash = this.keys.hashGuess('username', deviceIdentifier);
    const register = { deviceIdentifier, usernameHash, passwordHash, key };
    const outcome = await this.streams.transact(profile, deviceIdentifier, registerDeviceProfile, register, cause);
    return resultOf(outcome, () => ({ profileId: deviceIdentifier }));
  }
}
