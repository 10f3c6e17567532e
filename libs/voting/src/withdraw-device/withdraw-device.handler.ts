import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type HandlerResult, succeeded } from '@symbolon/command-log';
import { voting } from '@symbolon/contracts';
import { EventStore, Streams } from '@symbolon/kernel';
import { Polls } from '../poll/polls';
import { withdrawAuthenticator } from '../remove-authenticator/remove-authenticator.decide';
import { WithdrawDevice } from './withdraw-device.command';

@CommandHandler(WithdrawDevice)
export class WithdrawDeviceHandler implements ICommandHandler<WithdrawDevice> {
  constructor(
    private readonly streams: Streams,
    private readonly store: EventStore,
    private readonly polls: Polls,
  ) {}

  /** The reactor to the device's removal does the same, for devices that end otherwise: whoever comes second writes nothing. */
  async execute({ data, context: { profileId, cause } }: WithdrawDevice): Promise<HandlerResult> {
    const { deviceIdentifier } = data;
    await this.streams.transact(voting, profileId, withdrawAuthenticator, { profileId, deviceIdentifier }, cause);
    await this.polls.withdraw(deviceIdentifier, cause, await this.store.tail());
    return succeeded(null, await this.store.tail());
  }
}
