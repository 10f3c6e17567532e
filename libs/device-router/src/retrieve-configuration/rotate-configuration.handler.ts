import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type HandlerResult, rejected, succeeded } from '@symbolon/command-log';
import { Devices } from '../device/devices.query';
import { DeviceConfiguration } from './device-configuration';
import { RotateConfiguration } from './rotate-configuration.command';

/** The new secret waits for the next plain retrieval. */
@CommandHandler(RotateConfiguration)
export class RotateConfigurationHandler implements ICommandHandler<RotateConfiguration> {
  constructor(
    private readonly devices: Devices,
    private readonly configuration: DeviceConfiguration,
  ) {}

  async execute({ data: { deviceIdentifier }, context }: RotateConfiguration): Promise<HandlerResult> {
    const known = await this.devices.find(deviceIdentifier);
    if (!known) return rejected('device.not_approved');
    const refusal = await this.configuration.renew(known, context.cause);
    return refusal === null ? succeeded(null) : rejected(refusal);
  }
}
