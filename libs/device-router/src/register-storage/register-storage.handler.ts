import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type HandlerResult, resultOf } from '@symbolon/command-log';
import { Streams } from '@symbolon/kernel';
import { device } from '../device/device.model';
import { Devices } from '../device/devices.query';
import { registerStorage } from './register-storage.decide';
import { RegisterStorage } from './register-storage.command';

@CommandHandler(RegisterStorage)
export class RegisterStorageHandler implements ICommandHandler<RegisterStorage> {
  constructor(
    private readonly streams: Streams,
    private readonly devices: Devices,
  ) {}

  async execute({ data: { deviceIdentifier }, context }: RegisterStorage): Promise<HandlerResult> {
    const hasKey = await this.devices.hasKey(deviceIdentifier);
    const command = { deviceIdentifier, owner: context.profileId, hasKey };
    const outcome = await this.streams.transact(device, deviceIdentifier, registerStorage, command, context.cause);
    return resultOf(outcome, () => ({ deviceIdentifier }));
  }
}
