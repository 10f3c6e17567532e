import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Commands, type HandlerResult, rejected, resultOf } from '@symbolon/command-log';
import { closeCodes, DeviceLink } from '@symbolon/device-link';
import { Streams } from '@symbolon/kernel';
import { BrokerAccounts } from '../channel/broker-accounts';
import { device } from '../device/device.model';
import { rejectDevice } from './reject-device.decide';
import { RejectDevice } from './reject-device.command';

@CommandHandler(RejectDevice)
export class RejectDeviceHandler implements ICommandHandler<RejectDevice> {
  constructor(
    private readonly streams: Streams,
    private readonly commands: Commands,
    private readonly link: DeviceLink,
    private readonly accounts: BrokerAccounts,
  ) {}

  async execute({ data: { deviceIdentifier }, context }: RejectDevice): Promise<HandlerResult> {
    const { profileId: owner, commandId, cause } = context;
    const outcome = await this.streams.transact(
      device,
      deviceIdentifier,
      rejectDevice,
      { deviceIdentifier, owner },
      cause,
    );
    if (outcome.status === 'refused') return rejected(outcome.refusal);
    // Its login and its tokens are dead before the command succeeds.
    await this.commands.part({ ...cause, commandId }, 'profile/bar-device', owner, {
      deviceIdentifier,
      cause: 'rejected',
    });
    this.link.disconnect(deviceIdentifier, closeCodes.revoked);
    await this.accounts.follow(deviceIdentifier);
    return resultOf(outcome, () => ({ deviceIdentifier }));
  }
}
