import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type HandlerResult, resultOf } from '@symbolon/command-log';
import { Streams } from '@symbolon/kernel';
import { Settings } from '@symbolon/settings';
import { BrokerAccounts } from '../channel/broker-accounts';
import { ChannelSecrets } from '../channel/channel-secrets';
import { device } from '../device/device.model';
import { Devices } from '../device/devices.query';
import { approveDevice } from './approve-device.decide';
import { ApproveDevice } from './approve-device.command';

@CommandHandler(ApproveDevice)
export class ApproveDeviceHandler implements ICommandHandler<ApproveDevice> {
  constructor(
    private readonly streams: Streams,
    private readonly devices: Devices,
    private readonly secrets: ChannelSecrets,
    private readonly settings: Settings,
    private readonly accounts: BrokerAccounts,
  ) {}

  async execute({ data, context }: ApproveDevice): Promise<HandlerResult> {
    const { deviceIdentifier, secretKeyId } = data;
    const keyMissing = this.settings.deviceKeyBeforeApproval && !(await this.devices.hasKey(deviceIdentifier));
    const command = { ...data, owner: context.profileId, keyMissing };
    const outcome = await this.streams.transact(device, deviceIdentifier, approveDevice, command, context.cause);
    if (outcome.status === 'refused') await this.secrets.forget(secretKeyId);
    else await this.accounts.follow(deviceIdentifier);
    return resultOf(outcome, () => ({ deviceIdentifier }));
  }
}
