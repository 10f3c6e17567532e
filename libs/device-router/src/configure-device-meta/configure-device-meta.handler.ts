import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type HandlerResult, resultOf } from '@symbolon/command-log';
import { Streams } from '@symbolon/kernel';
import { device } from '../device/device.model';
import { ConfigureDeviceMeta } from './configure-device-meta.command';
import { configureDeviceMeta } from './configure-device-meta.decide';

@CommandHandler(ConfigureDeviceMeta)
export class ConfigureDeviceMetaHandler implements ICommandHandler<ConfigureDeviceMeta> {
  constructor(private readonly streams: Streams) {}

  async execute({ data, context }: ConfigureDeviceMeta): Promise<HandlerResult> {
    const { deviceIdentifier } = data;
    const command = { ...data, owner: context.profileId };
    const outcome = await this.streams.transact(device, deviceIdentifier, configureDeviceMeta, command, context.cause);
    return resultOf(outcome, () => ({ deviceIdentifier }));
  }
}
