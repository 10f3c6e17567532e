import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Commands, type HandlerResult, rejected, resultOf } from '@symbolon/command-log';
import { Streams } from '@symbolon/kernel';
import { BrokerAccounts } from '../channel/broker-accounts';
import { ChannelSecrets } from '../channel/channel-secrets';
import { device } from '../device/device.model';
import { Devices } from '../device/devices.query';
import { RemoveDevice } from './remove-device.command';
import { removeDevice } from './remove-device.decide';

@CommandHandler(RemoveDevice)
export class RemoveDeviceHandler implements ICommandHandler<RemoveDevice> {
  constructor(
    private readonly streams: Streams,
    private readonly commands: Commands,
    private readonly devices: Devices,
    private readonly secrets: ChannelSecrets,
    private readonly accounts: BrokerAccounts,
  ) {}

  async execute({ data: { deviceIdentifier }, context }: RemoveDevice): Promise<HandlerResult> {
    const { profileId: owner, commandId, cause } = context;
    const secretKeyId = (await this.devices.find(deviceIdentifier))?.secretKeyId;
    const command = { deviceIdentifier, owner };
    const outcome = await this.streams.transact(device, deviceIdentifier, removeDevice, command, cause);
    if (outcome.status === 'refused') return rejected(outcome.refusal);
    // Its login and its tokens are dead before the command succeeds.
    const barred = { deviceIdentifier, cause: 'removed' };
    await this.commands.part({ ...cause, commandId }, 'profile/bar-device', owner, barred);
    // So is its vote: its open ballots are void.
    await this.commands.part({ ...cause, commandId }, 'verified-authenticator/withdraw-device', owner, {
      deviceIdentifier,
    });
    if (secretKeyId) await this.secrets.forget(secretKeyId);
    await this.accounts.follow(deviceIdentifier);
    return resultOf(outcome, () => ({ deviceIdentifier }));
  }
}
