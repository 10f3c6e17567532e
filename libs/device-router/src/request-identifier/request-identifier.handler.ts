import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Commands, type HandlerResult, rejected, resultOf } from '@symbolon/command-log';
import { KeyStore } from '@symbolon/crypto';
import { Streams } from '@symbolon/kernel';
import { device } from '../device/device.model';
import { registerDevice } from './register-device.decide';
import { RequestIdentifier } from './request-identifier.command';

@CommandHandler(RequestIdentifier)
export class RequestIdentifierHandler implements ICommandHandler<RequestIdentifier> {
  constructor(
    private readonly commands: Commands,
    private readonly streams: Streams,
    private readonly keys: KeyStore,
  ) {}

  async execute({ data, context }: RequestIdentifier): Promise<HandlerResult> {
    const { profileId: ownerProfileId, commandId, cause } = context;
    const { deviceIdentifier, passwordHash, publicKey, signingKey } = data;
    const refusal = await this.commands.part({ ...cause, commandId }, 'profile/register-device', ownerProfileId, {
      deviceIdentifier,
      ownerProfileId,
      passwordHash,
      publicKey,
      signingKey,
    });
    if (refusal !== null) {
      await this.keys.destroyOnce(data.loginKeyId);
      return rejected(refusal);
    }
    const command = { ...data, ownerProfileId };
    const outcome = await this.streams.transact(device, deviceIdentifier, registerDevice, command, cause);
    return resultOf(outcome, () => ({ deviceIdentifier }));
  }
}
