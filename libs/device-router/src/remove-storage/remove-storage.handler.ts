import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type HandlerResult, resultOf } from '@symbolon/command-log';
import { Streams } from '@symbolon/kernel';
import { device } from '../device/device.model';
import { RemoveStorage } from './remove-storage.command';
import { removeStorage } from './remove-storage.decide';

@CommandHandler(RemoveStorage)
export class RemoveStorageHandler implements ICommandHandler<RemoveStorage> {
  constructor(private readonly streams: Streams) {}

  async execute({ data: { deviceIdentifier }, context }: RemoveStorage): Promise<HandlerResult> {
    const command = { deviceIdentifier, profileId: context.profileId };
    const outcome = await this.streams.transact(device, deviceIdentifier, removeStorage, command, context.cause);
    return resultOf(outcome, () => ({ deviceIdentifier }));
  }
}
