import { Body, Controller } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { Accepted, CallerOf, Endpoint, UuidField } from '@symbolon/http';
import { RemoveDevice, type RemoveDeviceInput } from './remove-device.command';

class RemoveDeviceBody {
  @UuidField()
  deviceIdentifier!: string;
}

@Controller()
export class RemoveDeviceController {
  constructor(private readonly commands: Commands) {}

  @Endpoint({
    row: 42,
    name: 'Remove device',
    group: 'Device',
    verb: 'POST',
    path: '/device/remove',
    access: 'K',
    scope: 'device:write',
    command: true,
  })
  async remove(@Body() body: RemoveDeviceBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const input: RemoveDeviceInput = { deviceIdentifier: body.deviceIdentifier };
    return new Accepted(await this.commands.submit({ type: RemoveDevice.type, caller, input, fields: body }));
  }
}
